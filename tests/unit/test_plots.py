"""Plots of benchmarks: the same figures make the same file, and it can be read on any ground."""

import importlib.util

import pytest
from plots import COLOURS, INK, Plot, draw

WHITE, DARK = "#ffffff", "#0d1117"
# The least contrast of lines and letters on what is behind them, by WCAG 2.1 (1.4.11).
LEAST_CONTRAST = 3.0


def plot(**given):
    lines = {"all": [(5000, 448.0), (50_000, 607.5)], "parent": [(5000, 103.0), (50_000, 142.0)]}
    texts = {"name": "memory", "title": "Memory", "x_title": "rows", "y_title": "PSS, MiB"}
    return Plot(**{**texts, "lines": lines, "is_log_x": True, **given})


@pytest.fixture
def drawn(tmp_path):
    pytest.importorskip("matplotlib")

    def drawn(folder, one):
        draw([one], tmp_path / folder)
        return (tmp_path / folder / f"{one.name}.svg").read_text()

    return drawn


def test_the_same_figures_are_the_same_file(drawn):
    assert drawn("first", plot()) == drawn("again", plot())


def test_axes_say_what_they_show_and_in_which_unit(drawn):
    text = drawn("any", plot())
    for said in ("Memory", "rows", "PSS, MiB", "all", "parent", "5,000", "50,000"):
        assert f">{said}</text>" in text


def test_the_ground_is_that_of_the_page(drawn):
    text = drawn("any", plot())
    assert "fill: #ffffff" not in text
    assert "fill: none" in text


@pytest.mark.parametrize("ground", [WHITE, DARK])
@pytest.mark.parametrize("colour", [INK, *COLOURS])
def test_every_colour_stands_out_on_light_and_dark(colour, ground):
    light, dark = sorted((luminance(colour), luminance(ground)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= LEAST_CONTRAST


def luminance(colour):
    """Relative luminance by WCAG 2.1."""
    shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in shares]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_without_matplotlib_a_benchmark_goes_on_and_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    draw([plot()], tmp_path / "plots")
    assert "pip install '.[bench]'" in capsys.readouterr().out
    assert not (tmp_path / "plots").exists()


def test_nothing_is_said_when_no_plots_are_wanted(capsys):
    draw([plot()], None)
    assert capsys.readouterr().out == ""
