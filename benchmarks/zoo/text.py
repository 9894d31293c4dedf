"""Models of texts: encoders, decoders, mixtures of experts, low-rank adapters, preprocessing inside."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from zoo.registry import binary, labels, tokens, words, zoo

register = keras.saving.register_keras_serializable("zoo.text")
MAXLEN, VOCABULARY, DIM = 8, 20, 8
IDS = tokens(MAXLEN, VOCABULARY)


@register
class TransformerBlock(layers.Layer):
    """The block of keras.io's text classification."""

    def __init__(self, embed_dim, num_heads, ff_dim, rate=0.1, **kwargs):
        super().__init__(**kwargs)
        self.arguments = {"embed_dim": embed_dim, "num_heads": num_heads, "ff_dim": ff_dim, "rate": rate}
        self.att = layers.MultiHeadAttention(num_heads=num_heads, key_dim=embed_dim)
        self.ffn = keras.Sequential([layers.Dense(ff_dim, activation="relu"), layers.Dense(embed_dim)])
        self.layernorm1 = layers.LayerNormalization(epsilon=1e-6)
        self.layernorm2 = layers.LayerNormalization(epsilon=1e-6)
        self.dropout1 = layers.Dropout(rate)
        self.dropout2 = layers.Dropout(rate)

    def call(self, inputs):
        attn_output = self.att(inputs, inputs)
        attn_output = self.dropout1(attn_output)
        out1 = self.layernorm1(inputs + attn_output)
        ffn_output = self.ffn(out1)
        ffn_output = self.dropout2(ffn_output)
        return self.layernorm2(out1 + ffn_output)

    def get_config(self):
        return {**super().get_config(), **self.arguments}


class TokenAndPositionEmbedding(layers.Layer):
    """Adds embeddings of tokens and positions; no **kwargs, no get_config."""

    def __init__(self, maxlen, vocab_size, embed_dim):
        super().__init__()
        self.token_emb = layers.Embedding(input_dim=vocab_size, output_dim=embed_dim)
        self.pos_emb = layers.Embedding(input_dim=maxlen, output_dim=embed_dim)

    def call(self, x):
        maxlen = ops.shape(x)[-1]
        positions = ops.arange(start=0, stop=maxlen, step=1)
        return self.token_emb(x) + self.pos_emb(positions)


@zoo(x=IDS, y=labels(2), hidden="relu*2", output="softmax")
def text_classification_transformer():
    """An embedding and a block of one's own, then Keras's layers."""
    inputs = layers.Input(shape=(MAXLEN,))
    x = TokenAndPositionEmbedding(MAXLEN, VOCABULARY, DIM)(inputs)
    x = TransformerBlock(DIM, 2, 16)(x)
    x = layers.GlobalAveragePooling1D()(x)
    x = layers.Dropout(0.1)(x)
    x = layers.Dense(20, activation="relu")(x)
    x = layers.Dropout(0.1)(x)
    outputs = layers.Dense(2, activation="softmax")(x)
    model = keras.Model(inputs=inputs, outputs=outputs)
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def bert_module(query, key, value, i):
    attention_output = layers.MultiHeadAttention(num_heads=2, key_dim=DIM // 2, name=f"encoder_{i}_multiheadattention")(
        query, key, value
    )
    attention_output = layers.Dropout(0.1, name=f"encoder_{i}_att_dropout")(attention_output)
    attention_output = layers.LayerNormalization(epsilon=1e-6, name=f"encoder_{i}_att_layernormalization")(
        query + attention_output
    )
    ffn = keras.Sequential([layers.Dense(16, activation="relu"), layers.Dense(DIM)], name=f"encoder_{i}_ffn")
    ffn_output = layers.Dropout(0.1, name=f"encoder_{i}_ffn_dropout")(ffn(attention_output))
    return layers.LayerNormalization(epsilon=1e-6, name=f"encoder_{i}_ffn_layernormalization")(
        attention_output + ffn_output
    )


@register
class MaskedLanguageModel(keras.Model):
    """A Functional model with a train_step of its own."""

    def train_step(self, inputs):
        features, labels, sample_weight = inputs
        with tf.GradientTape() as tape:
            predictions = self(features, training=True)
            loss = ops.mean(
                ops.sparse_categorical_crossentropy(labels, predictions) * ops.cast(sample_weight, "float32")
            )
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return {"loss": loss}


def _masked() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices((IDS, IDS, (IDS % 3 == 0).astype("int32"))).batch(8)


@zoo(x=IDS, batches=_masked, hidden="relu*2", output="softmax")
def masked_language_model():
    """BERT end to end: a Functional model of a class with its own train_step."""
    inputs = layers.Input((MAXLEN,), dtype="int64")
    word_embeddings = layers.Embedding(VOCABULARY, DIM, name="word_embedding")(inputs)
    position_embeddings = layers.Embedding(MAXLEN, DIM, name="position_embedding")(ops.arange(start=0, stop=MAXLEN))
    encoder_output = word_embeddings + position_embeddings
    for i in range(2):
        encoder_output = bert_module(encoder_output, encoder_output, encoder_output, i)
    mlm_output = layers.Dense(VOCABULARY, name="mlm_cls", activation="softmax")(encoder_output)
    mlm_model = MaskedLanguageModel(inputs, mlm_output, name="masked_bert_model")
    mlm_model.compile(optimizer=keras.optimizers.Adam(learning_rate=0.001))
    return mlm_model


def causal_attention_mask(n_dest, n_src, dtype):
    i = ops.arange(n_dest)[:, None]
    j = ops.arange(n_src)
    return ops.reshape(ops.cast(i >= j - n_src + n_dest, dtype), [1, n_dest, n_src])


class GPTBlock(layers.Layer):
    """The causal block of keras.io's miniature GPT."""

    def __init__(self, embed_dim, num_heads, ff_dim, rate=0.1):
        super().__init__()
        self.att = layers.MultiHeadAttention(num_heads, embed_dim)
        self.ffn = keras.Sequential([layers.Dense(ff_dim, activation="relu"), layers.Dense(embed_dim)])
        self.layernorm1 = layers.LayerNormalization(epsilon=1e-6)
        self.layernorm2 = layers.LayerNormalization(epsilon=1e-6)
        self.dropout1 = layers.Dropout(rate)
        self.dropout2 = layers.Dropout(rate)

    def call(self, inputs):
        input_shape = ops.shape(inputs)
        causal_mask = causal_attention_mask(input_shape[1], input_shape[1], "bool")
        attention_output = self.att(inputs, inputs, attention_mask=causal_mask)
        out1 = self.layernorm1(inputs + self.dropout1(attention_output))
        return self.layernorm2(out1 + self.dropout2(self.ffn(out1)))


@zoo(x=IDS, y=np.roll(IDS, -1, axis=1), hidden="relu")
def miniature_gpt():
    """Two outputs, the second without a loss."""
    inputs = layers.Input(shape=(MAXLEN,), dtype="int32")
    x = TokenAndPositionEmbedding(MAXLEN, VOCABULARY, DIM)(inputs)
    x = GPTBlock(DIM, 2, 16)(x)
    model = keras.Model(inputs=inputs, outputs=[layers.Dense(VOCABULARY)(x), x])
    model.compile("adam", loss=[keras.losses.SparseCategoricalCrossentropy(from_logits=True), None])
    return model


@register
class PositionalEmbedding(layers.Layer):
    """Embeddings with a mask."""

    def __init__(self, sequence_length, vocab_size, embed_dim, **kwargs):
        super().__init__(**kwargs)
        self.token_embeddings = layers.Embedding(input_dim=vocab_size, output_dim=embed_dim)
        self.position_embeddings = layers.Embedding(input_dim=sequence_length, output_dim=embed_dim)
        self.sequence_length = sequence_length
        self.vocab_size = vocab_size
        self.embed_dim = embed_dim

    def call(self, inputs):
        positions = ops.arange(0, ops.shape(inputs)[-1], 1)
        return self.token_embeddings(inputs) + self.position_embeddings(positions)

    def compute_mask(self, inputs, mask=None):
        return ops.not_equal(inputs, 0) if mask is None else mask

    def get_config(self):
        config = super().get_config()
        config.update(
            {"sequence_length": self.sequence_length, "vocab_size": self.vocab_size, "embed_dim": self.embed_dim}
        )
        return config


@register
class TransformerDecoder(layers.Layer):
    """Attends to itself, then to the encoder."""

    def __init__(self, embed_dim, latent_dim, num_heads, **kwargs):
        super().__init__(**kwargs)
        self.embed_dim, self.latent_dim, self.num_heads = embed_dim, latent_dim, num_heads
        self.attention_1 = layers.MultiHeadAttention(num_heads=num_heads, key_dim=embed_dim)
        self.attention_2 = layers.MultiHeadAttention(num_heads=num_heads, key_dim=embed_dim)
        self.dense_proj = keras.Sequential([layers.Dense(latent_dim, activation="relu"), layers.Dense(embed_dim)])
        self.layernorm_1, self.layernorm_2 = layers.LayerNormalization(), layers.LayerNormalization()
        self.layernorm_3, self.add = layers.LayerNormalization(), layers.Add()
        self.supports_masking = True

    def call(self, inputs):
        inputs, encoder_outputs = inputs
        attention_output_1 = self.attention_1(query=inputs, value=inputs, key=inputs, use_causal_mask=True)
        out_1 = self.layernorm_1(self.add([inputs, attention_output_1]))
        attention_output_2 = self.attention_2(query=out_1, value=encoder_outputs, key=encoder_outputs)
        out_2 = self.layernorm_2(self.add([out_1, attention_output_2]))
        return self.layernorm_3(self.add([out_2, self.dense_proj(out_2)]))

    def get_config(self):
        config = super().get_config()
        config.update({"embed_dim": self.embed_dim, "latent_dim": self.latent_dim, "num_heads": self.num_heads})
        return config


@zoo(
    x={"encoder_inputs": IDS, "decoder_inputs": tokens(MAXLEN, seed=1)},
    y=tokens(MAXLEN, seed=2),
    hidden="relu*2",
    output="softmax",
)
def translation_transformer():
    """An encoder, a decoder that is a model itself, dict inputs, masks."""
    encoder_inputs = keras.Input(shape=(None,), dtype="int64", name="encoder_inputs")
    x = PositionalEmbedding(MAXLEN, VOCABULARY, DIM)(encoder_inputs)
    encoder_outputs = TransformerBlock(DIM, 2, 16)(x)
    decoder_inputs = keras.Input(shape=(None,), dtype="int64", name="decoder_inputs")
    encoded_seq_inputs = keras.Input(shape=(None, DIM), name="decoder_state_inputs")
    x = PositionalEmbedding(MAXLEN, VOCABULARY, DIM)(decoder_inputs)
    x = TransformerDecoder(DIM, 16, 2)([x, encoded_seq_inputs])
    x = layers.Dropout(0.5)(x)
    decoder_outputs = layers.Dense(VOCABULARY, activation="softmax")(x)
    decoder = keras.Model([decoder_inputs, encoded_seq_inputs], decoder_outputs)
    transformer = keras.Model(
        {"encoder_inputs": encoder_inputs, "decoder_inputs": decoder_inputs},
        decoder([decoder_inputs, encoder_outputs]),
        name="transformer",
    )
    transformer.compile(
        "rmsprop", loss=keras.losses.SparseCategoricalCrossentropy(ignore_class=0), metrics=["accuracy"]
    )
    return transformer


class Switch(layers.Layer):
    """Sends each token to the expert that a router chooses."""

    def __init__(self, num_experts, embed_dim, **kwargs):
        super().__init__(**kwargs)
        self.num_experts = num_experts
        self.experts = [
            keras.Sequential([layers.Dense(16, activation="relu"), layers.Dense(embed_dim)]) for _ in range(num_experts)
        ]
        self.router = layers.Dense(num_experts)

    def call(self, inputs):
        router_probs = keras.activations.softmax(self.router(inputs), axis=-1)
        expert_index = ops.argmax(router_probs, axis=-1)
        mask = ops.one_hot(expert_index, self.num_experts, dtype=router_probs.dtype)
        self.add_loss(0.01 * ops.mean(ops.mean(mask, axis=0) * ops.mean(router_probs, axis=0)))
        weights = mask * router_probs
        return sum(weights[..., i : i + 1] * expert(inputs) for i, expert in enumerate(self.experts))


@zoo(x=IDS, y=labels(2), hidden="relu*4", gate="softmax", output="softmax")
def switch_transformer():
    """A mixture of experts with a loss of its router."""
    inputs = layers.Input(shape=(MAXLEN,))
    x = TokenAndPositionEmbedding(MAXLEN, VOCABULARY, DIM)(inputs)
    x = layers.LayerNormalization()(x + Switch(3, DIM)(x))
    x = layers.GlobalAveragePooling1D()(x)
    x = layers.Dense(8, activation="relu")(x)
    model = keras.Model(inputs, layers.Dense(2, activation="softmax")(x))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


class LinformerAttention(layers.Layer):
    """Self attention over fewer keys, written with einsum."""

    def __init__(self, dim, num_keys=4, **kwargs):
        super().__init__(**kwargs)
        self.dim, self.num_keys = dim, num_keys
        self.to_q, self.to_k, self.to_v = (layers.Dense(dim, use_bias=False) for _ in range(3))
        self.ffn = [layers.Dense(2 * dim), layers.Dense(dim)]

    def build(self, input_shape):
        self.proj_k = self.add_weight(shape=(input_shape[1], self.num_keys), name="proj_k")
        self.proj_v = self.add_weight(shape=(input_shape[1], self.num_keys), name="proj_v")
        super().build(input_shape)

    def call(self, x):
        keys = ops.einsum("bnd,nk->bkd", self.to_k(x), self.proj_k)
        values = ops.einsum("bnd,nk->bkd", self.to_v(x), self.proj_v)
        scores = ops.einsum("bnd,bkd->bnk", self.to_q(x), keys) * self.dim**-0.5
        x = x + ops.einsum("bnk,bkd->bnd", ops.nn.softmax(scores, axis=-1), values)
        y = ops.nn.gelu(self.ffn[0](x), approximate=False)
        return x + self.ffn[1](y)


@zoo(x=IDS, y=binary(), hidden="gelu*2", gate="softmax*2", output="sigmoid")
def linformer():
    """Blocks whose attention and activation are calls in code."""
    inputs = keras.Input((MAXLEN,))
    x = layers.Embedding(VOCABULARY, DIM)(inputs)
    for i in range(2):
        x = LinformerAttention(DIM, name=f"block_{i}")(x)
    x = layers.GlobalMaxPooling1D()(x)
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(x))
    model.compile("adam", "binary_crossentropy", metrics=["AUC"])
    return model


@zoo(x=words("good bad fine awful"), y=binary(), hidden="relu*3", output="sigmoid")
def raw_text_convnet():
    """Strings in, a TextVectorization inside."""
    vectorize = layers.TextVectorization(max_tokens=10, output_mode="int", output_sequence_length=6)
    vectorize.adapt(["good bad fine", "awful"])
    inputs = keras.Input(shape=(1,), dtype="string", name="text")
    x = layers.Embedding(10, 8)(vectorize(inputs))
    x = layers.Dropout(0.5)(x)
    x = layers.Conv1D(8, 3, padding="same", activation="relu", strides=1)(x)
    x = layers.Conv1D(8, 3, padding="same", activation="relu", strides=1)(x)
    x = layers.GlobalMaxPooling1D()(x)
    x = layers.Dense(8, activation="relu")(x)
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid", name="predictions")(x))
    model.compile(loss="binary_crossentropy", optimizer="adam", metrics=["accuracy"])
    return model


@zoo(x=words("good bad fine awful"), y=binary(), hidden="relu", output="sigmoid")
def bag_of_words():
    """Weights from tf-idf, and a perceptron."""
    vectorize = layers.TextVectorization(max_tokens=10, output_mode="tf_idf")
    vectorize.adapt(["good bad", "fine good", "awful"])
    inputs = keras.Input(shape=(1,), dtype="string")
    x = layers.Dense(8, activation="relu")(vectorize(inputs))
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(x))
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return model
