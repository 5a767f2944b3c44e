"""Running a checkpoint fast, one observation at a time: what is the same for every flow step is done once.

Words once for each instruction, images once for each observation, what depends on the flow time once for a network;
then only the action tokens go through the network, a few times. In PyTorch (CPU or GPU) or, on CPUs, ONNX Runtime.
"""
