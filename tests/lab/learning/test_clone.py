"""Cloning: gradients, and a policy that starts as what it was shown."""

import numpy as np
import pytest
from tests.lab.learning.toy import SharesToyVec, ToyVec, VectorToyVec

from tercel.core.errors import ConfigError
from tercel.lab.learning.native.clone import clone
from tercel.lab.learning.native.distributions import distribution
from tercel.lab.learning.native.ppo import Ppo, PpoSettings

ENVS = {
    "categorical": ToyVec,
    "gaussian": VectorToyVec,
    "logistic_normal": SharesToyVec,
    "dirichlet": SharesToyVec,
}


def made(name, seed=0):
    return Ppo(ENVS[name](), PpoSettings((32,), steps=16, minibatch=32, distribution=name), seed)


def shown(name, n=4096):
    """Observations of the toy and what is best there."""
    env = ENVS[name](n)
    obs = env.reset(5)
    return obs, obs[:, :-1].argmax(axis=1) if name == "categorical" else env.wanted(
        env.goal
    ).astype(np.float32)


@pytest.mark.parametrize("name", ENVS)
def test_it_does_what_it_was_shown(name):
    learner = made(name)
    obs, targets = shown(name)
    values = learner.net.tower(1)
    loss = clone(learner, obs, targets, epochs=80 if name == "dirichlet" else 20)
    assert np.isfinite(loss)
    seen, wanted = shown(name, 500)
    action = learner.policy().act(seen)
    if name == "categorical":
        assert (action == wanted).all()
    else:
        assert np.abs(action - wanted).mean() < 0.05
    for (w, b), (w2, b2) in zip(values, learner.net.tower(1), strict=True):
        assert np.array_equal(w, w2)
        assert np.array_equal(b, b2)
    assert np.isfinite(list(learner.update().values())).all()


@pytest.mark.parametrize("name", ENVS)
def test_gradients_equal_autograd(name):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    law = distribution(name, 4 if name == "categorical" else 0, 0 if name == "categorical" else 4)
    raw = rng.normal(size=(20, law.width)).astype(np.float32)
    targets = {
        "categorical": rng.integers(0, 4, 20),
        "gaussian": rng.normal(size=(20, 4)).astype(np.float32),
    }.get(name, rng.dirichlet(np.ones(4), 20).astype(np.float32))  # fmt: skip
    loss, gradient = law.fit(raw, targets)
    z, t = torch.tensor(raw, requires_grad=True), torch.tensor(targets)
    if name == "gaussian":
        theirs = ((z - t) ** 2).sum(dim=1).mean()
    elif name == "dirichlet":
        alpha = torch.nn.functional.softplus(z) + 1
        theirs = -(t * torch.log(alpha / alpha.sum(dim=1, keepdim=True))).sum(dim=1).mean()
    else:
        whole = torch.cat([z, torch.zeros(20, 1)], dim=1) if name == "logistic_normal" else z
        theirs = torch.nn.functional.cross_entropy(whole, t)
    theirs.backward()
    assert loss == pytest.approx(float(theirs.detach()), rel=1e-5)
    np.testing.assert_allclose(gradient, z.grad.numpy(), atol=1e-6)


def test_what_does_not_fit_is_refused():
    learner = made("gaussian")
    obs, targets = shown("gaussian")
    with pytest.raises(ConfigError, match="shapes"):
        clone(learner, obs, targets[:, :1])
    with pytest.raises(ConfigError, match="finite"):
        clone(learner, obs, targets * np.nan)
    with pytest.raises(ConfigError, match="from 0 to 2"):
        clone(made("categorical"), shown("categorical")[0], np.full(4096, 3))
