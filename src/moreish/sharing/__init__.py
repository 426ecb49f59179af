"""Floor 8: what is shown to others. So far pictures; Matplotlib is loaded when the first one is drawn."""

from moreish.sharing.comparisons import draw_parameter_gradients, draw_published, draw_spread_by_depth
from moreish.sharing.curves import draw_losses, draw_rate_search, draw_update_ratios
from moreish.sharing.gallery import PICTURES, Picture
from moreish.sharing.histograms import draw_activation_histograms, draw_gradient_histograms, draw_spreads, draw_tanh
from moreish.sharing.maps import draw_bigram_table, draw_embedding_map, draw_saturation_map
from moreish.sharing.material import Inside, Material, look_inside
from moreish.sharing.plotting import Plotted, plot, save_figure

__all__ = [
    "PICTURES",
    "Inside",
    "Material",
    "Picture",
    "Plotted",
    "draw_activation_histograms",
    "draw_bigram_table",
    "draw_embedding_map",
    "draw_gradient_histograms",
    "draw_losses",
    "draw_parameter_gradients",
    "draw_published",
    "draw_rate_search",
    "draw_saturation_map",
    "draw_spread_by_depth",
    "draw_spreads",
    "draw_tanh",
    "draw_update_ratios",
    "look_inside",
    "plot",
    "save_figure",
]
