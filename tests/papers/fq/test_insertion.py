"""Where `insert` puts the non-linearities of feature quantization, and what it leaves alone."""

import copy

import pytest
import torch
from helpers import images, perturbed
from torch import nn
from torch.nn import functional as F

from paperlib.errors import UserError
from paperlib.networks import build, known
from paperlib.papers.fq.insertion import QuantizedConv2d, alphas, insert
from paperlib.papers.fq.quantization import floor, power

pytestmark = pytest.mark.usefixtures("seeded")


def network(name="resnet18", width=0.0625):
    torch.manual_seed(0)
    return build(name, 10, width).eval()


def layers(body):
    return [name for name, module in body.named_modules() if hasattr(module, "nonlinearity")]


@pytest.mark.parametrize(
    ("name", "blocks", "everywhere"),
    [
        ("alexnet", 5, 5),
        ("vgg16", 13, 13),
        ("resnet18", 16, 20),
        ("resnet50", 48, 53),
        ("smallcnn", 2, 3),
        ("plain10", 8, 9),
    ],
)
def test_every_network_takes_them(name, blocks, everywhere):
    for where, count in (("blocks", blocks), ("all", everywhere)):
        quantized = insert(network(name), "pow", where=where)
        assert len(layers(quantized.body)) == count
        assert quantized.train()(images()).logits.shape == (4, 10)


def test_the_middle_block_of_smallcnn_has_them():
    # Table 2 of the supplement
    assert layers(insert(network("smallcnn"), "pow").body) == ["middle.0", "middle.3"]


def test_a_pattern_chooses_layers():
    quantized = insert(network(), "sf", where="stage[12].*.conv1", beta=10)
    assert layers(quantized.body) == [f"stage{i}.{j}.conv1" for i in (1, 2) for j in (0, 1)]


@pytest.mark.parametrize(
    ("after", "expected"),
    [("conv", ["conv1", "conv2"]), ("bn", ["bn1", "bn2"]), ("relu", ["relu1", "relu2"])],
)
def test_where_in_a_block_they_go(after, expected):
    quantized = insert(network(), "sf", after=after, where="stage[14]*", beta=2)
    names = [f"stage{i}.{j}.{name}" for i in (1, 4) for j in (0, 1) for name in expected]
    if after == "relu":
        names.remove("stage4.1.relu2")  # `Classifier` owns the last ReLU
    assert [name for name in layers(quantized.body) if "shortcut" not in name] == names


def test_only_the_first_layer_between_two_convolutions_is_followed():
    def convs(*between):
        return nn.Sequential(nn.Conv2d(3, 4, 1), *between, nn.Conv2d(4, 4, 1), nn.ReLU())

    assert layers(insert(convs(nn.ReLU(), nn.ReLU()), "sf", after="relu", beta=2)) == ["1", "4"]
    assert layers(insert(convs(), "sf", after="relu", beta=2)) == ["2"]
    with pytest.raises(UserError, match="no convolution has a layer 'relu' behind it"):
        insert(convs(), "sf", after="relu", where="0", beta=2)


def test_the_block_with_pow_behind_its_convolutions():
    plain = network()
    quantized = insert(copy.deepcopy(plain), "pow")
    with torch.no_grad():
        for alpha in alphas(quantized).values():
            alpha.uniform_(-1, 1)
    block, without = quantized.body.stage2[0], plain.body.stage2[0]
    x = torch.randn(2, 4, 8, 8)

    def p(layer):
        return layer.nonlinearity.alpha.exp().view(1, -1, 1, 1)

    y = without.bn1(power(without.conv1(x), p(block.conv1))).relu()
    y = without.bn2(power(without.conv2(y), p(block.conv2)))
    torch.testing.assert_close(block(x), (y + without.shortcut(x)).relu())


@pytest.mark.parametrize("after", ["bn", "relu"])
def test_the_block_with_sf_behind_another_layer(after):
    plain = network()
    block = insert(copy.deepcopy(plain), "sf", after=after, beta=2).body.stage2[0]
    without, x = plain.body.stage2[0], torch.randn(2, 4, 8, 8)

    def then(kind, y):
        return floor(y, 2) if kind == after else y

    y = then("relu", then("bn", without.bn1(without.conv1(x))).relu())
    y = then("bn", without.bn2(without.conv2(y)))
    torch.testing.assert_close(block(x), then("relu", (y + without.shortcut(x)).relu()))


@pytest.mark.parametrize("kind", ["sf", "pow", "hpow", "sf-pow"])
@pytest.mark.parametrize("after", ["conv", "bn", "relu"])
def test_the_rest_of_the_network_is_the_same(kind, after):
    def built(kind=None):
        torch.manual_seed(7)
        made = build("resnet18", 10, 0.0625, dropout=0.5)
        if kind:
            insert(made, kind, after=after, **({"beta": 10} if "sf" in kind else {}))
        return made, torch.rand(1)  # and what is drawn next

    (plain, drawn), (quantized, drawn_after) = built(), built(kind)
    assert torch.equal(drawn, drawn_after)
    state = quantized.state_dict()
    assert all(torch.equal(state[name], value) for name, value in plain.state_dict().items())
    extra = set(state) - set(plain.state_dict())
    assert all(".nonlinearity." in name for name in extra)
    assert all(
        torch.equal(value, state[name]) for name, value in built(kind)[0].state_dict().items()
    )
    assert not quantized.load_state_dict(plain.state_dict(), strict=False).unexpected_keys
    quantized(images()).logits.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in quantized.parameters())


@pytest.mark.parametrize("kind", ["pow", "hpow"])
@pytest.mark.parametrize("name", known())
def test_exponents_start_at_1(kind, name):
    expected, found = network(name)(images()), insert(network(name), kind)(images())
    assert torch.equal(found.logits, expected.logits)
    assert torch.equal(found.feature, expected.feature)


@pytest.mark.parametrize("bias", [True, False])
def test_a_split_convolution_is_the_sum_of_its_parts(bias):
    conv = nn.Conv2d(8, 6, 3, stride=2, padding=1, bias=bias)
    x = torch.randn(2, 8, 9, 9)
    expected = conv(x)
    (quantized,) = insert(nn.Sequential(copy.deepcopy(conv)), "pow", splits=4)
    assert isinstance(quantized, QuantizedConv2d)
    torch.testing.assert_close(quantized(x), expected)
    with torch.no_grad():
        quantized.nonlinearity.alpha.normal_()
    parts = []
    for j, p in enumerate(quantized.nonlinearity.alpha.exp().clamp(0.05, 4)):
        group = slice(2 * j, 2 * j + 2)
        part = F.conv2d(x[:, group], conv.weight[:, group], None, 2, 1)
        if bias:
            part = part + conv.bias.view(-1, 1, 1) / 4
        parts.append(power(part, p.view(-1, 1, 1)))
    torch.testing.assert_close(quantized(x), sum(parts))
    quantized(x).sum().backward()
    assert quantized.weight.grad.isfinite().all()


def test_splits_never_exceed_what_divides_the_input_channels():
    found = alphas(insert(network("plain10", width=0.125), "pow", where="all", splits=16))
    assert [tuple(alpha.shape) for alpha in found.values()][:4] == [(1, 8), (8, 8), (8, 8), (8, 16)]


def test_alphas_by_layer():
    quantized = insert(network("smallcnn"), "sf-pow", beta=10, splits=2)
    found = alphas(quantized)
    assert list(found) == ["body.middle.0", "body.middle.3"]
    assert all(
        alpha is dict(quantized.named_parameters())[name + ".nonlinearity.power.alpha"]
        for name, alpha in found.items()
    )
    assert alphas(insert(network(), "hpow")) == {}
    # A penalty on them is a loss like any other.
    sum(alpha.add(1).abs().sum() for alpha in found.values()).backward()
    assert all(alpha.grad.eq(1).all() for alpha in found.values())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "options"),
    [("sf", {"beta": 2}), ("pow", {"splits": 2}), ("hpow", {})],
)
def test_compiled_values_and_gradients_are_the_same(kind, options):
    module = perturbed(insert(nn.Sequential(nn.Conv2d(4, 4, 3, padding=1)), kind, **options))
    x = torch.randn(2, 4, 5, 5)
    gradients = []
    for call in (module, torch.compile(module, backend="aot_eager")):
        y = call(x)
        gradients.append((y, *torch.autograd.grad(y.square().sum(), tuple(module.parameters()))))
    torch.testing.assert_close(*gradients)


def test_no_graph_of_another_network_is_run():
    # Forward hooks would fail here: dynamo does not look at them, and runs the graph compiled for
    # the plain network.
    class Method(nn.Module):
        def __init__(self, network):
            super().__init__()
            self.network = network

        def loss(self, batch):
            return self.network(batch).logits.square().sum()

    plain, quantized = (
        Method(network("smallcnn")),
        Method(insert(network("smallcnn"), "sf", beta=2)),
    )
    compiled = [
        torch.compile(method.loss, backend="eager")(images()) for method in (plain, quantized)
    ]
    torch.testing.assert_close(compiled, [plain.loss(images()), quantized.loss(images())])
    assert not torch.isclose(*compiled, rtol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "dorefa"}, r"unknown non-linearity 'dorefa'; choose from: sf, pow, hpow, sf-pow"),
        ({"kind": "pow", "after": "pool"}, r"unknown after 'pool'; choose from: conv, bn, relu"),
        (
            {"kind": "pow", "split": "rows"},
            r"unknown split 'rows'; choose from: inputs, cells, channels",
        ),
        (
            {"kind": "pow", "exponent": "log"},
            r"unknown exponent 'log'; choose from: exp, linear, direct",
        ),
        ({"kind": "pow", "splits": 0}, r"splits is 0; it must be at least 1"),
        (
            {"kind": "pow", "splits": 2, "after": "bn"},
            r"inputs can be split after 'conv' only, not after 'bn'",
        ),
        (
            {"kind": "pow", "where": "block*"},
            r"no convolution is called 'block\*'; choose from: blocks, all, 0, 3, 6, 8, 10",
        ),
        ({"kind": "pow", "after": "bn"}, r"no convolution has a layer 'bn' behind it"),
        ({"kind": "sf"}, r"non-linearity 'sf': .*missing 1 required positional argument: 'beta'"),
        (
            {"kind": "sf-pow", "beta": 10, "first": "pow"},
            r"unknown first 'pow'; choose from: floor, power",
        ),
        (
            {"kind": "hpow", "splits": 2},
            r"non-linearity 'hpow': .*unexpected keyword argument 'splits'",
        ),
    ],
)
def test_mistakes_are_named_and_change_nothing(arguments, message):
    alexnet = network("alexnet")
    with pytest.raises(UserError, match=f"^{message}"):
        insert(alexnet, **arguments)
    assert layers(alexnet.body) == []
    assert not any(isinstance(module, QuantizedConv2d) for module in alexnet.modules())


def test_one_non_linearity_a_layer():
    quantized = insert(network(), "pow", where="stage1*")
    with pytest.raises(UserError, match=r"layer 'stage1.0.conv1' has a non-linearity already"):
        insert(quantized, "sf", beta=10)
