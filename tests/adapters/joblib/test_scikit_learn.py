"""scikit-learn gets the same results as with loky."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("joblib")
pytest.importorskip("sklearn")

import joblib
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score


@pytest.fixture(scope="module")
def samples():
    """Samples of more than a megabyte, and their classes."""
    return make_classification(8000, 20, random_state=5)


@pytest.fixture
def both(arena):
    """Do something with each backend, and return both results."""

    def do(call):
        results = []
        for options in {"backend": "loky"}, {"backend": "pagebuddy", "arena": arena}:
            with joblib.parallel_config(n_jobs=2, **options):
                results.append(call())
        return results

    return do


def test_cross_validation(both, samples):
    loky, ours = both(lambda: cross_val_score(LogisticRegression(), *samples, cv=4))
    assert (loky == ours).all()


def test_a_grid_search(both, samples):
    grid = {"C": [0.1, 1.0]}
    loky, ours = both(lambda: GridSearchCV(LogisticRegression(), grid, cv=2).fit(*samples))
    assert loky.best_params_ == ours.best_params_
    assert (loky.cv_results_["mean_test_score"] == ours.cv_results_["mean_test_score"]).all()
    assert (loky.best_estimator_.coef_ == ours.best_estimator_.coef_).all()


def test_a_random_forest(both, samples):
    def fit():
        forest = RandomForestClassifier(8, max_depth=6, n_jobs=2, random_state=5)
        # Forests prefer threads, unless a backend is chosen. In threads they add up in any order.
        return forest.fit(*samples).set_params(n_jobs=1).predict_proba(samples[0])

    loky, ours = both(fit)
    assert np.array_equal(loky, ours)
