"""Floor 7: the questions of the notebooks as exercises: handed out, marked, with hints and solutions."""

from moreish.exercises.catalogue import EXERCISES, Exercise
from moreish.exercises.checking import Result, check, solution, start
from moreish.exercises.marking import Mark

__all__ = ["EXERCISES", "Exercise", "Mark", "Result", "check", "solution", "start"]
