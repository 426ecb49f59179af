"""The word-level model of Bengio et al. 2003: a network on words, beside what counting the same words reaches."""

from moreish.corpus import SPLITS, read_corpus
from moreish.corpus.words import WordCode, join_words
from moreish.experiments.experiment import Request, Value
from moreish.experiments.trained import carry_out, recipe_of
from moreish.generation import load
from moreish.models.kneser_ney import fit_ngram
from moreish.models.predictor import Predictor
from moreish.training.evaluation import evaluate

_ORDERS = {3: "trigram", 4: "4-gram"}


def word_level(request: Request) -> dict[str, Value]:
    """Perplexity per word, of the network and of Kneser-Ney n-grams on the same words and splits; and a text made.

    Words, punctuation marks and line ends are symbols; words that occur less than three times in training are one.
    The native engine holds at most 512 symbols, so where it is asked for the fastest of the others is taken.
    Settings: `recipe`; `num_words`, the most that are kept; `num_made`, words of the text.
    """
    settings = request.settings
    text = request.data_file.read_text(encoding="utf-8")
    code = WordCode.learn(text, at_most=settings["num_words"])
    file = request.directory / "words.txt"
    file.write_text(code.encode(text), encoding="utf-8")
    recipe = recipe_of(request)
    if recipe.engine == "native":
        recipe = recipe.with_changes(engine="auto")
    corpus = read_corpus(file, recipe)
    run, _ = carry_out(recipe, corpus, request.directory / "run")
    model = load(run)
    predictors: dict[str, Predictor] = {"network": model.predictor}
    predictors |= {f"Kneser-Ney {name}": fit_ngram(corpus, order) for order, name in _ORDERS.items()}
    values: dict[str, Value] = {"symbols": corpus.vocabulary.vocab_size, "parameters": model.num_parameters}
    for split in SPLITS:
        for name, predictor in predictors.items():
            values[f"{split}, {name}"] = evaluate(predictor, corpus, split).perplexity
    made = join_words(code.decode(model.generate(length=settings["num_made"], seed=request.seed)[0].text))
    return values | {"words made": " / ".join(made.split("\n")).strip(" /")}
