"""ResNets of basic blocks (He et al., arXiv 1512.03385) in PyTorch, with dense or factorised convolutions.

A network is a function of its parameters and running statistics, which are dictionaries by torchvision's names.
What a convolution's kernel is made of is said by an expression such as `bhws,rt,rs,rh,rw->bhwt|hw`: images, factors, and
the result; modes of several characters stand in brackets. The kernel is rebuilt from the factors by one
`torch.einsum`, so that autograd gives the factors' gradients, and no program of Convoy's has a part in it.

  names = Expression("bhws,rt,rs,rh,rw->bhwt|hw").names()     # r_t, r_s, r_h, r_w
  logits = ResNet("resnet20", "small", expressions)(images, parameters, statistics, training=True)
"""

import re
import string

import torch
from torch.nn import functional as F

BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet20": (3, 3, 3), "resnet34": (3, 4, 6, 3)}
DENSE = "bhws,tshw->bhwt|hw"


def modes(term):
    """`r(t1)h` is ["r", "t1", "h"]."""
    return [named or letter for named, letter in re.findall(r"\(([^)]*)\)|(\w)", term)]


class Expression:
    """A convolution's expression: the modes of its factors, and of its kernel."""

    def __init__(self, text):
        operands, result = text.split("|")[0].split("->")
        images, *factors = map(modes, operands.split(","))
        places = images[:3]
        self.factors = factors
        self.outputs = [mode for mode in modes(result) if mode not in places]
        self.inputs = images[3:]
        kernel = self.outputs + self.inputs + places[1:]
        every = sorted({mode for term in [*factors, kernel] for mode in term})
        letters = dict(zip(every, string.ascii_letters))
        spelled = ["".join(letters[mode] for mode in term) for term in [*factors, kernel]]
        self.einsum = ",".join(spelled[:-1]) + "->" + spelled[-1]

    def names(self):
        """What the factors are called below their layer."""
        return ["weight"] if len(self.factors) == 1 else ["_".join(term) for term in self.factors]

    def kernel(self, factors):
        """[outputs, inputs, height, width]"""
        whole = torch.einsum(self.einsum, *factors)
        return whole.flatten(0, len(self.outputs) - 1).flatten(1, len(self.inputs))


class ResNet:
    """`expressions` says, by layer, what its kernel is made of; others are dense."""

    def __init__(self, name, stem, expressions):
        self.blocks, self.stem = BLOCKS[name], stem
        self.expressions = {layer: Expression(text) for layer, text in expressions.items()}

    def expression(self, layer):
        return self.expressions.get(layer) or Expression(DENSE)

    def __call__(self, images, parameters, statistics, training, relu=torch.relu):
        """Logits of images [samples, channels, height, width]; training changes the statistics."""

        def convolution(x, layer, stride, padding):
            expression = self.expression(layer)
            factors = [parameters[f"{layer}.{name}"] for name in expression.names()]
            return F.conv2d(x, expression.kernel(factors), stride=stride, padding=padding)

        def norm(x, layer):
            return F.batch_norm(
                x, statistics[f"{layer}.running_mean"], statistics[f"{layer}.running_var"],
                parameters[f"{layer}.weight"], parameters[f"{layer}.bias"], training=training, momentum=0.1, eps=1e-5)

        def block(x, name, stride):
            y = relu(norm(convolution(x, f"{name}.conv1", stride, 1), f"{name}.bn1"))
            y = norm(convolution(y, f"{name}.conv2", 1, 1), f"{name}.bn2")
            if f"{name}.downsample.0.weight" in parameters:
                x = norm(convolution(x, f"{name}.downsample.0", stride, 0), f"{name}.downsample.1")
            return relu(x + y)

        large = self.stem == "large"
        x = convolution(images, "conv1", 2 if large else 1, 3 if large else 1)
        x = relu(norm(x, "bn1"))
        if large:
            x = F.max_pool2d(x, 3, stride=2, padding=1)
        for stage, count in enumerate(self.blocks):
            for number in range(count):
                stride = 2 if stage > 0 and number == 0 else 1
                x = block(x, f"layer{stage + 1}.{number}", stride)
        return F.linear(x.mean((2, 3)), parameters["fc.weight"], parameters["fc.bias"])


def decays(name):
    """Whether weight decay is on a parameter: not on biases and normalisations, which `bn1` and `downsample.1` are."""
    layer, _, last = name.rpartition(".")
    return last != "bias" and not re.search(r"(^|\.)bn\d+$|\.downsample\.1$", layer)
