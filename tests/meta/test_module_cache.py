"""Modules made from recipes: every one is what its constructor makes it, and torch is as before afterwards."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest
import torch
from models_for_tests import architectures
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from zoo.adapters.registry import open_zoo
from zoo.meta.build import build_on_meta, buildable
from zoo.meta.module_recipes import NotReusableError, Recipe


def replaced_functions() -> list[Any]:
    return [nn.Module.__init__, nn.Linear.__init__, nn.Conv2d.__init__, torch.empty, torch.zeros, torch.Tensor.normal_]


BEFORE = replaced_functions()


@pytest.fixture(autouse=True)
def torch_is_as_before() -> Iterator[None]:
    yield
    assert replaced_functions() == BEFORE
    assert "normal_" not in vars(torch.Tensor)
    assert nn.Linear(2, 2).weight.device.type == "cpu"


def state(model: nn.Module) -> list[Any]:
    """All that modules hold, in order; tensors by their looks, and by which of them are the same."""
    numbers: dict[int, int] = {}

    def looks(value: Any) -> Any:
        if isinstance(value, Tensor):
            same = numbers.setdefault(id(value), len(numbers)), numbers.setdefault(value.untyped_storage()._cdata, len(numbers))
            return type(value), same, value.shape, value.stride(), value.dtype, value.requires_grad
        if isinstance(value, nn.Module):
            return type(value)
        if isinstance(value, (list, tuple)):
            return type(value), [looks(item) for item in value]
        if isinstance(value, dict):
            return type(value), {key: looks(item) for key, item in value.items()}
        if isinstance(value, functools.partial):
            return value.func, looks(value.args), looks(value.keywords)
        is_comparable = isinstance(value, (int, float, str, set, type, torch.dtype, torch.device, type(None)))
        return (type(value), value) if is_comparable else type(value)

    return [
        (path, type(module), [(name, looks(v)) for name, v in vars(module).items()]) for path, module in model.named_modules()
    ]


@pytest.mark.parametrize(
    "name",
    """timm/vit_tiny_patch16_224 timm/swinv2_cr_tiny_224 timm/mobilenetv3_small_050 timm/nf_resnet26 timm/coat_tiny timm/maxvit_tiny_tf_224
    timm/repvit_m0_9 timm/xcit_nano_12_p8_224 torchvision/densenet121 torchvision/swin_v2_t torchvision/mobilenet_v2""".split(),
)
def test_models_made_from_recipes_are_those_that_torch_constructs(name: str) -> None:
    library, _, arch = name.partition("/")
    zoo, classes = open_zoo(library), architectures(library)[arch].classes

    def construct() -> nn.Module:
        return zoo.build(arch, {"num_classes": classes})

    with torch.device("meta"):
        expected = state(construct().eval())
    with buildable():
        for _ in range(4):  # the fourth has all recipes that there can be
            model = build_on_meta(construct, zoo.initialisers(), reuse=True)
            assert state(model) == expected


class FromALibrary(nn.Module):
    """Stands for a class of a library whose modules are made from recipes."""

    constructed: ClassVar[int] = 0

    def __init__(self, width: int, *, bias: bool = True, shared: nn.Module | None = None) -> None:
        super().__init__()
        FromALibrary.constructed += 1
        self.inner = nn.Linear(width, width, bias=bias)
        self.shared = shared
        self.sizes = [width, width]


class Counting(FromALibrary):
    """Whose constructor depends on how often it was called."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.number = FromALibrary.constructed


class OfAUser(FromALibrary):
    pass


FromALibrary.__module__ = Counting.__module__ = "timm.imagined"


def construct_some(times: int, construct: Callable[[], nn.Module]) -> list[nn.Module]:
    """That many modules in one model, and how often their constructor ran."""
    return list(build_on_meta(lambda: nn.Sequential(*(construct() for _ in range(times))), reuse=True).children())


@pytest.fixture
def constructed() -> Callable[[], int]:
    before = FromALibrary.constructed
    return lambda: FromALibrary.constructed - before


def test_a_class_is_constructed_until_its_recipe_has_proved_right(constructed: Callable[[], int]) -> None:
    with buildable():
        modules = construct_some(10, lambda: FromALibrary(7))
        assert constructed() == 4  # met, met again, made into a recipe, compared with it
        parameters = [parameter for module in modules for parameter in module.parameters()]
        assert len({id(p) for p in parameters}) == len({p.untyped_storage()._cdata for p in parameters}) == 2 * 10
        construct_some(10, lambda: FromALibrary(8))
        assert constructed() == 4 + 2  # now only met, and made into a recipe


def test_recipes_are_forgotten_with_the_last_who_builds(constructed: Callable[[], int]) -> None:
    for _ in range(2):
        construct_some(10, lambda: FromALibrary(7))
    assert constructed() == 2 * 4


def test_nothing_is_reused_unless_that_is_asked_for(constructed: Callable[[], int]) -> None:
    build_on_meta(lambda: nn.Sequential(*(FromALibrary(7) for _ in range(10))))
    assert constructed() == 10


def test_a_constructor_that_somebody_replaced_meanwhile_is_called_and_stays(
    constructed: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    own, widths = FromALibrary.__init__, []

    def replacement(self: FromALibrary, width: int) -> None:
        widths.append(width)
        own(self, width)

    monkeypatch.setattr(FromALibrary, "__init__", own)  # so that it is put back
    with buildable():
        construct_some(5, lambda: FromALibrary(7))
        FromALibrary.__init__ = replacement  # type: ignore[method-assign, assignment]
        construct_some(5, lambda: FromALibrary(7))
    assert FromALibrary.__init__ is replacement
    assert widths == [7] * 5
    assert constructed() == 4 + 5


def test_hooks_on_all_parameters_see_all_parameters() -> None:
    seen: list[str] = []
    handle = register_module_parameter_registration_hook(lambda module, name, parameter: seen.append(name))
    try:
        construct_some(6, lambda: nn.Linear(3, 3))
    finally:
        handle.remove()
    assert sorted(seen) == ["bias"] * 6 + ["weight"] * 6


def test_a_constructor_that_depends_on_anything_else_always_runs() -> None:
    first, *others = construct_some(6, lambda: Counting(9))
    assert [m.number for m in others] == [first.number + i for i in range(1, 6)]  # type: ignore[operator]


def test_classes_of_users_are_always_constructed(constructed: Callable[[], int]) -> None:
    construct_some(5, lambda: OfAUser(11))
    assert constructed() == 5


def test_what_is_done_to_one_module_is_not_done_to_the_next() -> None:
    def construct() -> FromALibrary:
        module = FromALibrary(12)
        assert module.sizes == [12, 12]
        assert not module.inner._forward_hooks
        assert module.inner.bias is not None
        module.sizes.append(1)
        module.inner.bias = None  # type: ignore[assignment]
        module.inner.register_forward_hook(lambda *_: None)
        return module

    construct_some(6, construct)


@pytest.mark.parametrize(("one", "other"), [(1, True), (1, 1.0), ((2, 2), (2.0, 2)), (torch.float32, torch.float64)])
def test_arguments_that_are_equal_but_not_the_same_are_told_apart(one: Any, other: Any) -> None:
    def construct(argument: Any) -> nn.Module:
        return nn.AvgPool2d(argument) if isinstance(argument, tuple) else nn.Linear(2, 2, **named(argument))

    def named(argument: Any) -> dict[str, Any]:
        return {"dtype": argument} if isinstance(argument, torch.dtype) else {"bias": argument}

    for module in construct_some(4, lambda: nn.Sequential(construct(one), construct(other))):
        first, second = module.children()
        with torch.device("meta"):
            assert [state(first), state(second)] == [state(construct(one).eval()), state(construct(other).eval())]


def test_a_module_given_to_several_stays_shared() -> None:
    shared = nn.Linear(1, 1, device="meta")
    assert all(module.shared is shared for module in construct_some(5, lambda: FromALibrary(13, shared=shared)))


def test_another_default_dtype_makes_another_module() -> None:
    def construct() -> nn.Module:
        usual = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        try:
            return nn.Linear(14, 14)
        finally:
            torch.set_default_dtype(usual)

    modules = construct_some(3, lambda: nn.Sequential(nn.Linear(14, 14), construct()))
    assert [[p.dtype for p in m.parameters()] for m in modules] == [[torch.float32] * 2 + [torch.float64] * 2] * 3


def tied() -> nn.Module:
    module = nn.Sequential(nn.Linear(2, 2, device="meta"), nn.Linear(2, 2, device="meta"))
    module[1].weight = module[0].weight
    return module


def with_attribute(name: str, value: Any) -> nn.Module:
    module = nn.Linear(2, 2, device="meta")
    setattr(module, name, value)
    return module


@pytest.mark.parametrize(
    "module",
    [
        tied(),
        nn.Linear(2, 2),
        with_attribute("kept", torch.empty(2, device="meta")),
        with_attribute("kept", object()),
        with_attribute("kept", [torch.empty(2, device="meta")]),
        with_attribute("forward", nn.Linear(1, 1).forward),
        with_attribute("kept", iter([])),
        with_attribute("kept", [].append),
        with_attribute("kept", functools.partial(nn.Linear(1, 1).forward)),
        with_attribute("weight", nn.Parameter(torch.empty(4, 2, device="meta")[:2])),
    ],
    ids=[
        "tied",
        "real",
        "tensor",
        "object",
        "list of tensors",
        "bound method",
        "iterator",
        "method of a list",
        "partial method",
        "view",
    ],
)
def test_only_plain_modules_have_a_recipe(module: nn.Module) -> None:
    with pytest.raises(NotReusableError):
        Recipe(module)


def test_other_threads_construct_real_modules_meanwhile() -> None:
    layers: list[nn.Linear] = []

    def construct() -> nn.Module:
        thread = threading.Thread(target=lambda: layers.append(nn.Linear(5, 5)))
        thread.start()
        thread.join()
        return nn.Linear(5, 5)

    assert build_on_meta(construct, reuse=True).weight.is_meta
    assert layers[0].weight.device.type == "cpu"
    assert torch.zeros(1).device.type == "cpu"


def test_a_device_that_a_constructor_asks_for_is_the_one_it_gets() -> None:
    class Asking(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            with torch.device("cpu"):
                self.values = torch.arange(3)
            self.others = torch.zeros(2, device="cpu")

    model = build_on_meta(Asking, reuse=True)
    assert isinstance(model, Asking)
    assert model.values.tolist() == [0, 1, 2]
    assert model.others.tolist() == [0.0, 0.0]


def test_contexts_nest() -> None:
    with buildable(), buildable():
        assert nn.Module.__init__ is not BEFORE[0]


def test_what_somebody_else_replaces_meanwhile_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = torch.zeros
    monkeypatch.setattr(torch, "zeros", usual)  # so that it is put back
    with buildable():
        torch.zeros = replacement = functools.partial(usual)
    assert torch.zeros is replacement
    monkeypatch.undo()
