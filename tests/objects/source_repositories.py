# ruff: noqa: E501  # a model is a line
"""Models whose code is written as in repositories of their kinds: GANs, attention, segmentation, graphs, detection, notebooks."""

from __future__ import annotations

from tests.objects.source_case import K1, K20, K22, K23, TF, Case


def _of(writer: str, source: str, file: str, *models: tuple[str, ...]) -> tuple[Case, ...]:
    """Cases of one file: name, how the model is made, and what differs from an `.h5` file that is verified."""
    return tuple(Case(m[0], writer, source, f"{source}/{file}", *m[1:]) for m in models)


REPOSITORIES = (
    *_of(
        K22,
        "gan",
        "networks.py",
        (
            "gan_critic",
            "model = Sequential([L.Conv2D(4, 3, strides=2, padding='same', kernel_constraint=ns['ClipConstraint'](0.01), input_shape=(8, 8, 1)), L.LeakyReLU(0.2), ns['MinibatchStdev'](), ns['PixelNormalization'](), L.Flatten(), L.Dense(1)]); model.compile(loss=ns['wasserstein_loss'], optimizer='rmsprop')",
        ),
        (
            "gan_fade_in",
            "i = L.Input((4, 4, 2)); model = Model(i, ns['WeightedSum'](0.25)([L.Conv2D(3, 1)(i), L.Conv2D(3, 3, padding='same')(i)]))",
            ".h5",
            "unverified",
        ),
    ),
    *_of(
        TF,
        "vae_colab",
        "VAE.ipynb",
        (
            "vae_sampling",
            "i = L.Input((4, 4, 1)); x = L.Flatten()(i); m, v = L.Dense(2)(x), L.Dense(2)(x); model = Model(i, [m, v, ns['Sampling']()([m, v])])",
        ),
        (
            "vae_kl",
            "i = L.Input((4,)); m, v = ns['KLLayer']()([L.Dense(2)(i), L.Dense(2)(i)]); model = Model(i, L.Add()([m, v]))",
        ),
        (
            "mc_dropout",
            "i = L.Input((4,)); model = Model(i, L.Dense(2)(ns['MCDropout'](0.4)(L.Dense(8)(i))))",
            ".keras",
        ),
        (
            "vae_lambda",
            "i = L.Input((4,)); model = Model(i, L.Lambda(ns['sampling'])([L.Dense(2)(i), L.Dense(2)(i)]))",
            ".h5",
            "unverified",
        ),
    ),
    *_of(
        TF,
        "attention_seq2seq",
        "attention.py",
        (
            "attention_of_decoder",
            "e, d = L.Input((5, 3)), L.Input((4, 2)); eo = L.GRU(4, return_sequences=True)(e); do = L.GRU(4, return_sequences=True)(d); c, s = ns['AttentionLayer'](name='attention_layer')([eo, do]); model = Model([e, d], [L.TimeDistributed(L.Dense(3))(L.Concatenate()([do, c])), s])",
        ),
        (
            "bahdanau",
            "q, v = L.Input((4,)), L.Input((5, 3)); c, w = ns['BahdanauAttention'](6)(q, v); model = Model([q, v], [L.Dense(2)(c), w])",
        ),
        (
            "bahdanau_zip",
            "q, v = L.Input((4,)), L.Input((5, 3)); c, w = ns['BahdanauAttention'](6)(q, v); model = Model([q, v], [L.Dense(2)(c), w])",
            ".keras",
        ),
        ("encoder_layer", "i = L.Input((5,)); o, s = ns['Encoder'](9, 4, 3)(i); model = Model(i, [o, s])  # Embedding"),
        (
            "encoder_layer_zip",
            "i = L.Input((5,)); o, s = ns['Encoder'](9, 4, 3)(i); model = Model(i, [o, s])  # Embedding",
            ".keras",
        ),
    ),
    *_of(
        K22,
        "siamese",
        "siamese_network.py",
        (
            "siamese_distance",
            "b = ns['create_base_network']((4, 4)); p, q = L.Input((4, 4)), L.Input((4, 4)); model = Model([p, q], L.Lambda(ns['euclidean_distance'], output_shape=ns['eucl_dist_output_shape'])([b(p), b(q)])); model.compile(loss=ns['contrastive_loss'], optimizer='rmsprop', metrics=[ns['accuracy']])",
            ".h5",
            "unverified",
        ),
        (
            "siamese_manhattan",
            "r = L.LSTM(3); e = L.Embedding(9, 4); p, q = L.Input((5,)), L.Input((5,)); model = Model([p, q], ns['ManDist']()([r(e(p)), r(e(q))]))",
        ),
        (
            "siamese_triplet",
            "b = Sequential([L.Dense(3, input_shape=(4,))]); xs = [L.Input((4,)) for _ in 'apn']; model = Model(xs, [*map(b, xs)]); model = Model(xs, [ns['TripletLossLayer'](0.2, name='triplet_loss_layer')([b(x) for x in xs]), b(xs[0])])",
        ),
    ),
    *_of(
        K22,
        "unet",
        "src/layers.py",
        (
            "unet_upsampling",
            "model = Sequential([L.Conv2D(3, 2, input_shape=(6, 6, 2)), ns['BilinearUpsampling']((2, 2)), ns['BilinearUpsampling'](output_size=(7, 5))])",
        ),
        (
            "unet_partial_convolution",
            "i, m = L.Input((6, 6, 3)), L.Input((6, 6, 3)); a, b = ns['PConv2D'](4, 3, strides=2, padding='same', activation='relu')([i, m]); model = Model([i, m], [a, b])",
        ),
        (
            "unet_unpooling",
            "i = L.Input((4, 4, 2)); p, a = ns['MaxPoolingWithArgmax2D']()(i); model = Model(i, ns['MaxUnpooling2D']()([p, a]))",
            ".h5",
            "unverified",
        ),
    ),
    *_of(
        K22,
        "unet",
        "utils/losses.py",
        (
            "unet_losses",
            "model = Sequential([L.Conv2D(1, 1, activation='sigmoid', input_shape=(4, 4, 2))]); model.compile('adam', ns['focal_loss'](), metrics=[ns['dice_coef'], ns['weighted_bce']()])",
        ),
    ),
    *_of(
        K22,
        "rl",
        "noisy.py",
        (
            "noisy_dense",
            "model = Sequential([ns['NoisyDense'](5, activation='relu', input_dim=4), ns['NoisyDense'](2, use_bias=False)])",
        ),
        ("noisy_policy", "model = Sequential([L.Dense(3, input_shape=(4,)), ns['GaussianPolicyNoise'](0.2)])"),
        (
            "normalized_advantage",
            "l, m, a = L.Input((3,)), L.Input((2,)), L.Input((2,)); model = Model([l, m, a], ns['NAFLayer'](2)([l, m, a]))",
        ),
    ),
    *_of(
        TF,
        "kaggle_notebook",
        "competition.ipynb",
        (
            "gem_pooling",
            "i = L.Input((6, 6, 2)); model = Model(i, L.Flatten()(ns['GeM'](3, normalize=True)(L.ReLU()(i))))",
        ),
        (
            "arc_face",
            "i, y = L.Input((4,)), L.Input((), dtype='int32'); model = Model([i, y], ns['ArcMarginProduct'](n_classes=3, name='head/arc_margin')([L.Dense(5)(i), y]))",
        ),
        ("mish_object", "i = L.Input((4,)); model = Model(i, ns['dense_bn'](i, 3))"),
        (
            "fixed_dropout",
            "i = L.Input((4, 4, 2)); model = Model(i, ns['FixedDropout'](0.2, noise_shape=(None, 1, 1, 1))(i))",
        ),
        ("kaggle_transformer", "i = L.Input((5, 4)); model = Model(i, ns['TransformerBlock'](4, 4, 2, 6)(i))"),
        (
            "kaggle_transformer_zip",
            "i = L.Input((5, 4)); model = Model(i, ns['TransformerBlock'](4, 4, 2, 6)(i))",
            ".keras",
        ),
    ),
    *_of(
        K22,
        "segmentation",
        "segnet/models/factory.py",
        (
            "class_factory",
            "model = Sequential([L.Conv2D(4, 3, input_shape=(6, 6, 2)), ns['ChannelGate'](2), L.Activation(ns['swish'])])",
        ),
        (
            "resize_image",
            "i = L.Input((4, 4, 2)); model = Model(i, ns['ResizeImage'](2, 'bilinear')(ns['Conv2dBn'](3, 3, padding='same', activation=ns['swish'])(i)))",
        ),
    ),
    *_of(
        K23,
        "keras_bert_like",
        "layers.py",
        (
            "token_embedding",
            "i = L.Input((5,)); e, w = ns['TokenEmbedding'](9, 4, mask_zero=True)(i); a = ns['ScaledDotProductAttention'](history_only=True)(e); f = ns['FeedForward'](6, activation=ns['gelu'], dropout_rate=0.1, name='Encoder-1-FeedForward')(a); model = Model(i, ns['EmbeddingSimilarity']()([f, w]))",
        ),
        (
            "masked_loss_layer",
            "i, m = L.Input((5,)), L.Input((5,)); e = L.Embedding(9, 4, mask_zero=True)(i); model = Model([i, m], L.LSTM(3)(ns['Masked']()([e, m])))",
        ),
    ),
    *_of(
        K22,
        "gat",
        "graph_attention_layer.py",
        (
            "graph_attention",
            "x, a = L.Input((3,)), L.Input((3,)); h = ns['GraphAttention'](4, attn_heads=2, activation='elu')([L.Dropout(0.3)(x), a]); model = Model([x, a], ns['GraphAttention'](2, attn_heads_reduction='average')([h, a]))",
        ),
    ),
    *_of(
        TF,
        "timeseries",
        "model.py",
        (
            "time2vec_transformer",
            "i = L.Input((6, 5)); t = ns['Time2Vector'](6)(i); x = L.Concatenate(axis=-1)([i, t]); x = ns['TransformerEncoder'](4, 4, 2, 8)((x, x, x)); model = Model(i, L.Dense(1)(L.GlobalAveragePooling1D()(x)))",
        ),
        (
            "tcn_block",
            "i = L.Input((6, 3)); a, b = ns['ResidualBlock'](2, 4, 2, use_batch_norm=True, name='residual_block_0')(i); model = Model(i, [a, b])",
        ),
        (
            "n_beats",
            "i = L.Input((6,)); b, f = ns['NBeatsBlock'](6, 8, 2, 5, 3)(i); model = Model(i, [L.subtract([i, b]), f])",
        ),
        (
            "n_beats_zip",
            "i = L.Input((6,)); b, f = ns['NBeatsBlock'](6, 8, 2, 5, 3)(i); model = Model(i, [L.subtract([i, b]), f])",
            ".keras",
        ),
    ),
    *_of(
        TF,
        "vit",
        "vit.py",
        (
            "vit_patches",
            "i = L.Input((6, 6, 2)); model = Model(i, L.Flatten()(ns['PatchEncoder'](9, 4)(ns['Patches'](2)(i))))",
        ),
        (
            "vit_encoder",
            "i = L.Input((4, 6)); x = ns['AddPositionEmbs'](name='posembed_input')(ns['ClassToken'](name='class_token')(i)); x, w = ns['TransformerBlock'](num_heads=2, mlp_dim=8, dropout=0.1, name='encoderblock_0')(x); model = Model(i, [x, w])",
        ),
        (
            "vit_encoder_zip",
            "i = L.Input((4, 6)); x = ns['AddPositionEmbs'](name='posembed_input')(ns['ClassToken'](name='class_token')(i)); x, w = ns['TransformerBlock'](num_heads=2, mlp_dim=8, dropout=0.1, name='encoderblock_0')(x); model = Model(i, [x, w])",
            ".keras",
        ),
    ),
    *_of(
        K22,
        "detection",
        "ssd_layers.py",
        (
            "ssd_anchors",
            "i = L.Input((8, 8, 3)); x = L.Conv2D(4, 3, strides=2)(i); n = ns['L2Normalization'](20)(x); model = Model(i, [n, ns['AnchorBoxes'](8, 8, 0.2, 0.4)(n)])",
        ),
    ),
    *_of(
        K22,
        "stn",
        "layers.py",
        (
            "spatial_transformer",
            "i = L.Input((6, 6, 2)); t = L.Dense(6, activation='tanh')(L.Flatten()(i)); model = Model(i, ns['BilinearInterpolation']((4, 4))([i, t]))",
        ),
    ),
    Case(
        "tensorflow_contrib",
        TF,
        "contrib",
        "contrib_writer/nets.py",
        "i = L.Input((4,)); model = Model(i, ns['Highway']()(i))",
    ),
    *_of(
        K1,
        "keras1_mix",
        "topology_layers.py",
        (
            "keras1_context",
            "model = Sequential([L.Embedding(9, 4, mask_zero=True, input_length=5), L.Bidirectional(L.GRU(3, return_sequences=True)), ns['AttentionWithContext'](), L.Dense(2)])",
        ),
        (
            "keras1_scale",
            "model = Sequential([L.Convolution2D(4, 3, 3, input_shape=(6, 6, 2), dim_ordering='tf'), ns['Scale'](axis=3), L.Flatten()])",
        ),
        (
            "keras1_tensor",
            "a, b = L.Input((3,)), L.Input((3,)); model = Model([a, b], ns['NTN'](3, 2)([a, b]))",
            ".h5",
            "unverified",
        ),
    ),
    *_of(
        TF,
        "losses",
        "objects.py",
        (
            "training_objects",
            "model = Sequential([L.Dense(4, kernel_regularizer=ns['OrthogonalRegularizer'](2), kernel_initializer=ns['ICNR'](3), kernel_constraint=ns['UnitSum'](), input_shape=(4,)), L.Dense(3)]); model.compile('adam', ns['DiceLoss'](2.0), metrics=[ns['F1Score'](), ns['root_mean_squared_error'], 'mae'])",
        ),
        (
            "training_objects_zip",
            "model = Sequential([L.Dense(4, kernel_regularizer=ns['OrthogonalRegularizer'](2), kernel_initializer=ns['ICNR'](3), kernel_constraint=ns['UnitSum'](), input_shape=(4,)), L.Dense(3)]); model.compile(keras.optimizers.Adam(ns['WarmUp'](0.1, 5)), ns['DiceLoss'](2.0), metrics=[ns['F1Score']()])",
            ".keras",
        ),
        (
            "loss_closure",
            "model = Sequential([L.Dense(3, activation='softmax', input_shape=(4,))]); model.compile(ns['SGDW'](0.01, learning_rate=0.1), ns['weighted_categorical_crossentropy']([1., 2., 3.]), metrics=[ns['get_lr_metric'](None)])",
        ),
    ),
    *_of(
        TF,
        "collisions",
        "layers.py",
        (
            "own_attention",
            "i = L.Input((5, 3)); model = Model(i, L.Dense(2)(ns['Attention']()(L.GRU(4, return_sequences=True)(i))))",
        ),
        (
            "own_attention_zip",
            "i = L.Input((5, 3)); model = Model(i, L.Dense(2)(ns['Attention']()(L.GRU(4, return_sequences=True)(i))))",
            ".keras",
        ),
        ("own_normalization", "i = L.Input((4,)); model = Model(i, ns['LayerNormalization']()(L.Dense(3)(i)))"),
        (
            "own_activations",
            "i = L.Input((4,)); model = Model(i, L.Dense(3, activation=ns['relu'])(L.Activation(ns['swish'])(i)))",
            ".h5",
            "unverified",
        ),
    ),
    *_of(
        TF,
        "tf_function",
        "blocks.py",
        ("cross_layer", "i = L.Input((4,)); model = Model(i, L.Dense(2)(ns['CrossLayer'](3)(i)))"),
        ("lazy_layers", "i = L.Input((4,)); model = Model(i, ns['Lazy'](3)(i))"),
        ("lazy_layers_zip", "i = L.Input((4,)); model = Model(i, ns['Lazy'](3)(i))", ".keras"),
        ("spectral_norm", "i = L.Input((4,)); model = Model(i, ns['SpectralNorm'](L.Dense(3))(i))"),
        ("regressor_in_graph", "i = L.Input((4,)); model = Model(i, ns['Regressor']()(i))"),
        ("regressor_in_graph_zip", "i = L.Input((4,)); model = Model(i, ns['Regressor']()(i))", ".keras"),
    ),
    *_of(
        TF,
        "cells",
        "rnn_cells.py",
        (
            "cell_both_ways",
            "i = L.Input((5, 3)); model = Model(i, L.Bidirectional(L.RNN(ns['LTCCell'](4), return_sequences=True))(i))",
        ),
        (
            "cell_both_ways_zip",
            "i = L.Input((5, 3)); model = Model(i, L.Bidirectional(L.RNN(ns['LTCCell'](4)))(i))",
            ".keras",
        ),
        (
            "peephole",
            "i = L.Input((5, 3)); model = Model(i, L.Bidirectional(L.RNN(ns['PeepholeLSTMCell'](4)), merge_mode='sum')(i))",
        ),
        (
            "cell_of_cells",
            "i = L.Input((5, 3)); model = Model(i, L.RNN(ns['DecoderCell'](4), return_sequences=True)(i))",
        ),
        (
            "cell_of_cells_zip",
            "i = L.Input((5, 3)); model = Model(i, L.RNN(ns['DecoderCell'](4), return_sequences=True)(i))",
            ".keras",
        ),
        (
            "stacked_cells",
            "i = L.Input((5, 3)); model = Model(i, L.RNN([ns['LTCCell'](4), L.LSTMCell(3), ns['LTCCell'](2)])(i))",
        ),
        (
            "rnn_with_own_cell",
            "i = L.Input((5, 3)); model = Model(i, L.Bidirectional(ns['IndRNN'](3, return_sequences=True))(i))",
        ),
    ),
    *_of(
        K20,
        "siamese",
        "siamese_network.py",
        (
            "nested_without_names",
            "s = Sequential([L.Dense(3, input_shape=(4,)), L.Dense(2)]); p, q = L.Input((4,)), L.Input((4,)); model = Model([p, q], ns['ManDist']()([s(p), s(q)]))",
        ),
    ),
    *_of(
        K22,
        "toxic",
        "src/attention.py",
        (
            "nested_sequential",
            "s = Sequential([L.LSTM(3, return_sequences=True, input_shape=(6, 4)), ns['Attention'](6)]); model = Sequential([s, L.Dense(2)])",
        ),
    ),
)
