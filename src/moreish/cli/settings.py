"""The options that describe a network and its optimiser, for every command that makes one."""

from typing import Annotated, Any

from moreish.cli.options import setting

Seed = Annotated[Any, setting("seed", "Of every random stream")]
Model = Annotated[Any, setting("model", "A network, or counting")]
Embedding = Annotated[Any, setting("embedding", "Size of the embedding")]
Hidden = Annotated[Any, setting("hidden", "Sizes of the hidden layers")]
Activation = Annotated[Any, setting("activation", "Of the hidden layers")]
Norm = Annotated[Any, setting("norm", "Normalisation before the activation")]
Optimizer = Annotated[Any, setting("optimizer", "Rule of the update")]
Batch = Annotated[Any, setting("batch", "Examples a step")]
Dropout = Annotated[Any, setting("dropout", "Probability after each hidden activation")]
WeightDecay = Annotated[Any, setting("weight_decay", "Of weights and embedding, decoupled")]
Clip = Annotated[Any, setting("clip", "Largest norm of the gradient [no limit]")]
Init = Annotated[Any, setting("init", "Scheme of the hidden weights")]
Gain = Annotated[Any, setting("gain", "Of the hidden weights [the activation's]")]
Bias = Annotated[Any, setting("bias", "Biases in every layer, or none where a norm follows")]
BiasScale = Annotated[Any, setting("bias_scale", "Hidden biases are N(0, 1) times this [all zero]")]
HeadInit = Annotated[Any, setting("head_init", "Scheme of the output layer [that of --init]")]
HeadScale = Annotated[Any, setting("head_scale", "Factor on the output weights")]
HeadBiasScale = Annotated[Any, setting("head_bias_scale", "Output biases, likewise [all zero]")]
NormOutput = Annotated[bool | None, setting("norm_output", "Normalise after the output layer too")]
NormConvention = Annotated[Any, setting("norm_convention", "Whose batch norm")]
Momentum = Annotated[Any, setting("momentum", "Of --optimizer momentum")]
Beta1 = Annotated[Any, setting("beta1", "Of --optimizer adamw")]
Beta2 = Annotated[Any, setting("beta2", "Of --optimizer adamw")]
Draws = Annotated[Any, setting("draws", "A random stream for each purpose, or the notebooks' one")]
Engine = Annotated[Any, setting("engine", "What carries out the steps")]
Device = Annotated[Any, setting("device", "Such as cpu or cuda")]
Threads = Annotated[Any, setting("threads", "Of the processor; more than one rarely helps at these sizes")]
