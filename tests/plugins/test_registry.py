"""Names stand for components; signatures are schemas; broken plugins are told apart."""

from __future__ import annotations

import linecache
from pathlib import Path
from typing import Any

import pytest
from xprun.plugins import Fraction, optimizer
from xprun.plugins.discovery import load_file
from xprun.plugins.kinds import KINDS
from xprun.plugins.registry import REGISTRY, PluginError, UnknownComponentError
from xprun.plugins.signature import positional_names, read_settings, type_name


def test_a_decorated_function_is_found_by_its_name_and_stays_a_function() -> None:
    @optimizer("mine.rule")
    def rule(w: float, g: float, v: float, *, lr: float, keep: Fraction = 0.5) -> tuple[float, float]:
        """Moves on."""
        return w - lr * g, v

    component = REGISTRY.find("optimizer", "mine.rule")
    assert component.load() is rule
    assert rule(1.0, 1.0, 0.0, lr=0.5) == (0.5, 0.0)
    assert component.doc == "Moves on."
    assert component.origin.file == __file__
    assert {name: s.required for name, s in component.settings.items()} == {"lr": True, "keep": False}
    assert positional_names(rule) == ("w", "g", "v")


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UnknownComponentError, match="there is no loss named 'nope'") as caught:
        REGISTRY.find("loss", "nope")
    assert "MSELoss" in caught.value.known


def test_the_same_name_twice_is_an_error_with_both_origins() -> None:
    with pytest.raises(PluginError, match=r"two plugins register the optimizer 'scratch.adam'") as caught:

        @optimizer("scratch.adam")
        def adam(w: float, g: float) -> float:
            return w

    assert "textbook.py" in str(caught.value)
    assert __file__ in str(caught.value)


def test_a_missing_annotation_is_inferred_from_the_default() -> None:
    def rule(w, g, *, lr=0.1, nesterov=False, n=3, anything=None):  # type: ignore[no-untyped-def]
        return w

    settings = read_settings(rule)
    assert settings["lr"].read(1) == 1.0
    assert settings["anything"].read([1, "a"]) == [1, "a"]
    assert {name: type_name(s.annotation) for name, s in settings.items()} == {
        "lr": "number",
        "nesterov": "boolean",
        "n": "integer",
        "anything": "any",
    }


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = (", r"broken.py:1: the plugin cannot be imported: SyntaxError"),
        ("\nimport nowhere_to_be_found", r"broken.py:2: .*ModuleNotFoundError: No module named"),
        ("def f():\n    1 / 0\nf()", r"broken.py:2: .*ZeroDivisionError"),
    ],
)
def test_a_broken_file_names_its_line_and_reason(tmp_path: Path, source: str, message: str) -> None:
    path = tmp_path / "broken.py"
    path.write_text(source, encoding="utf-8")
    with pytest.raises(PluginError, match=message):
        load_file(REGISTRY, path)


def test_a_changed_source_has_another_fingerprint(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    fingerprints = []
    for factor in (1, 2):
        path.write_text(
            "from xprun.plugins import optimizer\n@optimizer('mine')\n"
            f"def mine(w, g, *, lr=0.1):\n    return w - {factor} * lr * g\n",
            encoding="utf-8",
        )
        load_file(REGISTRY, path)
        fingerprints.append(REGISTRY.find("optimizer", "mine").fingerprint)
    assert len(set(fingerprints)) == 2


def test_a_file_that_is_changed_and_loaded_again_has_its_new_text_and_may_move_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    for factor in (1, 2):
        lines = "\n" * factor
        path.write_text(
            f"from xprun.plugins import optimizer{lines}@optimizer('mine')\n"
            f"def mine(w, g, *, lr=0.1):\n    return w - {factor} * g\n",
            encoding="utf-8",
        )
        load_file(REGISTRY, path)
        assert REGISTRY.find("optimizer", "mine").load()(0, 1) == -factor


class Classic:
    """A class in the style of torch.optim."""

    def __init__(
        self,
        params: object,
        lr: float = 0.1,
        betas: tuple[float, float] = (0.9, 0.99),
        decay: float = None,  # type: ignore[assignment] # noqa: RUF013 - as such classes are often written
        *,
        places: Nowhere = 3,  # type: ignore[name-defined] # noqa: F821
        kind: object = object,
    ) -> None: ...


def test_the_settings_of_a_class_are_what_its_constructor_takes_beside_the_parameters() -> None:
    settings = read_settings(Classic)
    assert {name: type_name(s.annotation) for name, s in settings.items()} == {
        "lr": "number",
        "betas": "list of numbers",
        "decay": "number",
        "places": "any",
    }
    assert settings["decay"].read(None) is None


def test_a_class_is_not_described_by_what_it_inherits() -> None:
    class Undocumented(Classic):
        pass

    optimizer("undocumented")(Undocumented)
    optimizer("classic")(Classic)
    assert REGISTRY.find("optimizer", "undocumented").doc == ""
    assert REGISTRY.find("optimizer", "classic").doc == "A class in the style of torch.optim."


def test_a_cell_of_a_notebook_may_be_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    for line in (10, 20):
        source = "\n" * line + "def rule(w, g, *, lr=0.1):\n    return w\n"
        names: dict[str, Any] = {"__name__": "__main__"}
        file = f"<cell {line}>"
        exec(compile(source, file, "exec"), names)
        monkeypatch.setitem(linecache.cache, file, (len(source), None, source.splitlines(True), file))
        optimizer("cell")(names["rule"])
        assert REGISTRY.find("optimizer", "cell").origin.line == line + 1


def test_the_decorators_are_not_hidden_by_modules_of_the_same_name() -> None:
    import xprun.plugins as plugins

    assert all(callable(getattr(plugins, kind)) for kind in KINDS)
