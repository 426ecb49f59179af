"""Every picture shows the numbers it was given, says what its axes are, names its thresholds, and fits its frame."""

import math
import threading

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from moreish import sharing
from moreish.errors import ShapeError
from moreish.sharing.comparisons import distances
from moreish.sharing.curves import moving_mean, widening_mean
from moreish.sharing.maps import keep_apart, principal_components
from moreish.sharing.style import lay_out, shown, to_bytes

RANDOM = np.random.default_rng(5)
STEPS = np.arange(0, 500, 100)
LAYERS = {f"layers.{n}": np.tanh(RANDOM.standard_normal((64, 20)) * (n + 1)) for n in range(3)}
LETTERS = [".", *"abcde"]
PUBLISHED = {
    "id": "mlp-quiet-head",
    "verdict": "exact",
    "figures": [
        {"name": "unknown", "published": "1.0", "mean": 1.0, "spread": None, "verdict": "exact", "verdicts": []}
    ],
}


def every_picture() -> dict[str, Figure]:
    """One of each, small."""
    rates = np.geomspace(1e-3, 1, 50)
    valley = 2 + (np.log10(rates) + 1) ** 2
    return {
        "losses": sharing.draw_losses(np.linspace(3.3, 2, 300), [100, 300], [2.9, 2.1], 27),
        "updates": sharing.draw_update_ratios(STEPS, {"a.weight": np.full(5, 2e-3), "b.weight": np.full(5, 1e-4)}),
        "rate search": sharing.draw_rate_search(rates, valley + 0.1, valley, 0.05),
        "activations": sharing.draw_activation_histograms(LAYERS),
        "gradients": sharing.draw_gradient_histograms(LAYERS),
        "tanh": sharing.draw_tanh(),
        "spreads": sharing.draw_spreads(LAYERS),
        "saturation": sharing.draw_saturation_map(LAYERS["layers.2"]),
        "embedding": sharing.draw_embedding_map(RANDOM.standard_normal((6, 4)), LETTERS),
        "bigrams": sharing.draw_bigram_table(RANDOM.integers(0, 5000, (6, 6)), LETTERS),
        "depth": sharing.draw_spread_by_depth({"step 0": np.array([0.9, 0.6, 0.4])}, list(LAYERS)),
        "parameter gradients": sharing.draw_parameter_gradients({"head.linear.bias": 0.1, "embedding.weight": 0.0}),
        "published": sharing.draw_published([PUBLISHED]),
    }


@pytest.fixture(scope="module")
def pictures() -> dict[str, Figure]:
    """One of each."""
    return every_picture()


def names_in_legend(figure: Figure) -> list[str]:
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def lines(figure: Figure, name: str, panel: int = 0) -> np.ndarray:
    (line,) = [each for each in figure.axes[panel].lines if each.get_label() == name]
    return np.array(line.get_data())


def test_every_axis_is_labelled_with_its_unit(pictures):
    unitless = {"step", "parameter", "experiment", "symbol", "following symbol", "layer, from the input to the output"}
    for name, figure in pictures.items():
        for axes in figure.axes:
            labels = [axes.get_xlabel(), axes.get_ylabel()]
            if axes.get_label() == "<colorbar>":
                labels = [axes.get_ylabel()]
            for label in labels:
                assert label in unitless or "(" in label or "no unit" in label or label == "density", (name, label)


def test_nothing_sticks_out_of_the_frame(pictures):
    for name, figure in pictures.items():
        lay_out(figure)
        inside, whole = figure.get_tightbbox(), figure.bbox_inches
        assert inside.x0 >= 0, name
        assert inside.y0 >= 0, name
        assert inside.x1 <= whole.width, name
        assert inside.y1 <= whole.height, name


def test_the_same_picture_has_the_same_bytes(pictures):
    again = every_picture()
    for name in ("updates", "saturation"):
        for file_format in ("png", "svg"):
            assert to_bytes(pictures[name], file_format) == to_bytes(again[name], file_format), name


def test_pictures_can_be_drawn_in_threads_at_once(pictures):
    drawn: list[bytes] = []
    threads = [threading.Thread(target=lambda: drawn.append(to_bytes(sharing.draw_tanh(), "svg"))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert drawn == [to_bytes(pictures["tanh"], "svg")] * 3


def test_losses_are_drawn_as_they_are(pictures):
    figure = pictures["losses"]
    for panel, scale in ((0, "linear"), (1, "log")):
        assert figure.axes[panel].get_yscale() == scale
        assert figure.axes[panel].get_xscale() == {"linear": "linear", "log": "symlog"}[scale]
        np.testing.assert_array_equal(lines(figure, "minibatch", panel)[1], np.linspace(3.3, 2, 300))
        np.testing.assert_array_equal(lines(figure, "validation", panel), [[100, 300], [2.9, 2.1]])
    assert "uniform guess, ln 27 = 3.30" in names_in_legend(figure)
    assert lines(figure, "uniform guess, ln 27 = 3.30")[1][0] == math.log(27)


def test_a_moving_mean_is_that_of_a_plain_loop():
    values = RANDOM.standard_normal(30)
    expected = [sum(values[start : start + 7]) / 7 for start in range(24)]
    np.testing.assert_allclose(moving_mean(values, 7), expected, atol=1e-12)


def test_a_widening_mean_is_that_of_a_plain_loop():
    values = np.random.default_rng(8).standard_normal(5_000)
    places, means = widening_mean(values)
    assert places[0] == 0
    assert places[-1] > 4_700
    assert (np.diff(places) > 0).all()
    assert means[0] == values[0]
    for place, found in zip(places[places < 4_500], means, strict=False):
        reach = int(0.1 * place)
        kept = values[int(place) - reach : int(place) + reach + 1]
        assert found == pytest.approx(sum(kept) / len(kept))


def test_the_first_steps_of_a_long_training_take_room_on_the_log_axis():
    axes = sharing.draw_losses(np.linspace(3.3, 2, 10_000)).axes[1]
    axes.figure.canvas.draw()
    left, tenth, last = (axes.transData.transform((step, 2.0))[0] for step in (0, 10, 10_000))
    assert (tenth - left) / (last - left) > 0.2
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "1", "10", "100", "1,000", "10,000"]


@pytest.mark.parametrize("num_places", [2, 27, 65, 200])
def test_discs_are_moved_until_none_covers_another_and_no_further_than_need_be(num_places):
    places = np.random.default_rng(8).standard_normal((num_places, 2)) ** 3  # crowded in the middle
    places[1] = places[0]
    extent = np.ptp(places, axis=0) if num_places > 2 else 1.0
    moved = keep_apart(places, 0.02) / extent
    distances = np.linalg.norm(moved[:, None] - moved[None], axis=2) + np.eye(num_places)
    if num_places > 2:
        assert distances.min() > 0.019
    alone = np.linalg.norm((places[:, None] - places[None]) / extent, axis=2) + np.eye(num_places)
    is_alone = alone.min(axis=1) > 0.2
    np.testing.assert_allclose(moved[is_alone], (places / extent)[is_alone], atol=1e-4)


def test_of_very_many_symbols_those_are_named_that_there_is_room_for():
    symbols = [chr(0x4E00 + number) for number in range(3_000)]
    figure = sharing.draw_embedding_map(np.random.default_rng(8).standard_normal((3_000, 2)), symbols)
    named = len(figure.axes[0].texts)
    assert 100 < named < 1_500
    assert figure.axes[0].get_title("left") == f"{named:,} of 3,000 symbols are named, where there is room"


def test_update_ratios_stand_beside_the_usual_one():
    figure = sharing.draw_update_ratios(STEPS, {"w": np.array([np.nan, 1e-2, 0.0, 1e-3, 1e-4])})
    np.testing.assert_array_equal(lines(figure, "w"), [[100, 300, 400], [1e-2, 1e-3, 1e-4]])
    assert lines(figure, "1e-3: usual where learning goes well")[1][0] == 1e-3


def test_many_lines_have_colours_of_their_own():
    figure = sharing.draw_update_ratios(STEPS, {f"w{n}": np.full(5, 1e-3) for n in range(20)})
    assert len({str(line.get_color()) for line in figure.axes[0].lines}) == 21


def test_the_valley_and_the_suggestion_are_marked(pictures):
    figure = pictures["rate search"]
    assert "the valley, 0.1" in [name[:15] for name in names_in_legend(figure)]
    assert lines(figure, "suggested rate, 0.05")[0][0] == 0.05
    without = sharing.draw_rate_search(np.array([0.1, 0.2]), np.array([3.0, 2.0]), np.array([3.0, 2.0]), None)
    assert not any(name.startswith("suggested") for name in names_in_legend(without))


def test_a_histogram_is_that_of_torch(pictures):
    for name, values in LAYERS.items():
        expected = torch.histogram(torch.from_numpy(values), bins=60, range=(-1.0, 1.0), density=True).hist
        (outline,) = [p for p in pictures["activations"].axes[0].patches if p.get_label().startswith(name)]
        np.testing.assert_allclose(outline.get_data().values, expected, atol=1e-9)
        share = (torch.from_numpy(values).abs() > 0.97).double().mean()
        assert f"{share:.1%} saturated" in outline.get_label()
    assert "saturated: |tanh| > 0.97" in names_in_legend(pictures["activations"])


def test_zeros_of_relu_are_told():
    values = np.maximum(RANDOM.standard_normal((100, 10)), 0)
    (name, *_) = names_in_legend(sharing.draw_activation_histograms({"layers.0": values}, "relu"))
    assert f"{(values == 0).mean():.0%} zero" in name


def test_gradients_that_are_all_zero_are_said_to_be():
    figure = sharing.draw_gradient_histograms({"layers.0": np.zeros((4, 3)), "layers.1": np.zeros((4, 3))})
    assert "layers.0: every gradient is 0" in names_in_legend(figure)
    assert to_bytes(figure, "png")


def test_the_derivative_of_tanh_is_that_of_autograd(pictures):
    x, slope = lines(pictures["tanh"], "its derivative, 1 − tanh²(x)")
    at = torch.from_numpy(x).requires_grad_()
    torch.tanh(at).sum().backward()
    assert at.grad is not None
    np.testing.assert_allclose(slope, at.grad, atol=1e-12)


def test_dead_units_are_marked_on_the_map():
    activations = RANDOM.uniform(-0.5, 0.5, (30, 8))
    activations[:, [2, 5]] = [0.99, -0.98]
    figure = sharing.draw_saturation_map(activations)
    axes = figure.axes[0]
    np.testing.assert_array_equal(np.asarray(axes.images[0].get_array()), np.abs(activations) > 0.97)
    assert axes.collections[0].get_offsets()[:, 0].tolist() == [2, 5]
    assert "2 of 8 units dead" in axes.get_title(loc="left")
    assert "|tanh| > 0.97 (saturated)" in names_in_legend(figure)
    relu = sharing.draw_saturation_map(np.maximum(activations, 0), "relu")
    assert relu.axes[0].collections[0].get_offsets()[:, 0].tolist() == [5]


def test_two_dimensions_are_drawn_as_they_are_and_more_by_their_components():
    places = RANDOM.standard_normal((6, 2))
    drawn = sharing.draw_embedding_map(places, LETTERS).axes[0]
    np.testing.assert_array_equal(drawn.collections[0].get_offsets(), places)
    assert [text.get_text() for text in drawn.texts] == LETTERS
    points = RANDOM.standard_normal((20, 5)) * [1, 5, 1, 3, 1]
    components, shares = principal_components(points)
    u, s, _ = torch.pca_lowrank(torch.from_numpy(points), q=5, niter=20)
    np.testing.assert_allclose(np.abs(components), np.abs((u * s).numpy()[:, :2]), atol=1e-6)
    np.testing.assert_allclose(shares, (s**2 / (s**2).sum()).numpy()[:2], atol=1e-6)


def test_highlighted_symbols_have_a_colour_of_their_own():
    axes = sharing.draw_embedding_map(RANDOM.standard_normal((6, 2)), LETTERS, highlighted="ae").axes[0]
    assert [len(group.get_offsets()) for group in axes.collections] == [6, 4, 2]  # all places, then the discs


def test_counts_stand_in_their_cells():
    counts = np.array([[0, 7, 1234], [150_000, 0, 1], [2, 3, 4]])
    axes = sharing.draw_bigram_table(counts, [".", "a", "$"]).axes[0]
    assert {(t.get_position(), t.get_text()) for t in axes.texts} == {
        *(((1, 0), "7"), ((2, 0), "1.2k"), ((0, 1), "150k"), ((2, 1), "1")),
        *(((0, 2), "2"), ((1, 2), "3"), ((2, 2), "4")),
    }
    assert [label.get_text() for label in axes.get_xticklabels()] == [".", "a", "$"]


def test_of_many_symbols_the_most_frequent_are_drawn():
    counts = np.diag(np.arange(1, 51))
    axes = sharing.draw_bigram_table(counts, [chr(ord("A") + n) for n in range(50)]).axes[0]
    assert len(axes.get_xticklabels()) == 40
    assert axes.get_xticklabels()[0].get_text() == chr(ord("A") + 10)
    assert "the 40 most frequent of 50 symbols" in axes.get_title(loc="left")


def test_symbols_that_cannot_be_seen_are_named():
    assert [shown(symbol) for symbol in (" ", "\n", "a", "é", "\x07", "語")] == ["␣", "↵", "a", "é", "7", "8A9E"]
    figure = sharing.draw_embedding_map(RANDOM.standard_normal((4, 2)), ["語", "$", "$", "\n"])
    assert to_bytes(figure, "png")  # without a warning of a missing glyph


def test_parameters_without_a_gradient_are_marked():
    figure = sharing.draw_parameter_gradients({"embedding.weight": 0.0, "head.linear.bias": 0.25})
    receives, none = figure.axes[0].collections
    assert receives.get_offsets().tolist() == [[0.25, 0.0]]
    assert none.get_offsets()[:, 1].tolist() == [1.0]
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["head.linear.bias", "embedding.weight"]


def test_each_number_of_a_published_row_has_a_mark_by_its_own_verdict():
    losses = {
        "name": "losses",
        "published": "4.8 4.4",
        "mean": [4.81, 9.0],
        "spread": [0.01, 0.01],
        "verdict": "differs",
        "verdicts": ["agrees", "differs"],
    }
    figure = sharing.draw_published([{"id": "perceptron-minibatch", "verdict": "differs", "figures": [losses]}])
    marks = {each.get_label(): each.get_offsets() for each in figure.axes[0].collections}
    assert {name: len(places) for name, places in marks.items()} == {"agrees": 1, "differs": 1}
    assert abs(marks["agrees"][0][0]) < 1 < marks["differs"][0][0]


def test_a_published_figure_is_measured_by_what_is_allowed():
    compared = {"name": "NLL of all lines", "published": "2.4540", "mean": 2.4545, "spread": None}
    assert distances("bigram-counts", compared) == pytest.approx([1.0])
    assert distances("bigram-counts", compared | {"name": "another"}) == []
    assert distances("no-such-experiment", compared) == []


@pytest.mark.parametrize("shape", [(6, 1), (5, 2), (6,)])
def test_an_embedding_that_cannot_be_mapped_is_refused(shape):
    with pytest.raises(ShapeError, match=r"expected \(6, 2 or more\)"):
        sharing.draw_embedding_map(np.zeros(shape), LETTERS)


def test_counts_of_another_shape_are_refused():
    with pytest.raises(ShapeError, match="expected a square of 6 symbols"):
        sharing.draw_bigram_table(np.zeros((5, 6), int), LETTERS)
