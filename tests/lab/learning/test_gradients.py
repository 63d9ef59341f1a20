"""Losses and gradients by hand equal torch's, to 1e-4 of the gradient's largest entry."""

import numpy as np
import pytest
from tests.lab.learning.toy import MaskedToyVec, SharesToyVec, ToyVec, VectorToyVec

from tercel.lab.learning.native.dqn import Dqn, DqnSettings
from tercel.lab.learning.native.net import Adam
from tercel.lab.learning.native.ppo import Ppo, PpoSettings

torch = pytest.importorskip("torch")


def as_torch(net):
    """Leaves of (weights, biases, head weights, head biases) that require gradients."""
    return [[torch.tensor(a.copy(), requires_grad=True) for a in group]
            for group in (net.weights, net.biases, net.head_weights, net.head_biases)]  # fmt: skip


def forward(leaves, x):
    """Head outputs, biases included."""
    weights, biases, head_weights, head_biases = leaves
    outs = []
    for tower, (hw, hb) in enumerate(zip(head_weights, head_biases, strict=True)):
        h = torch.tensor(x.copy())
        for w, b in zip(weights, biases, strict=True):
            h = torch.tanh(h @ w[tower] + b[tower])
        outs.append(h @ hw + hb)
    return outs


def compare(net, leaves):
    mine = (net.dweights, net.dbiases, net.dhead_weights, net.dhead_biases)
    for group, theirs in zip(mine, leaves, strict=True):
        for a, b in zip(group, theirs, strict=True):
            scale = max(float(b.grad.abs().max()), 1e-3)
            assert np.abs(a - b.grad.numpy()).max() <= 1e-4 * scale


def categorical(logits, masks, sigma):
    logits = torch.where(torch.tensor(masks), logits, torch.tensor(-1e8))
    return torch.distributions.Categorical(logits=logits)


def gaussian(mean, masks, sigma):
    return torch.distributions.Independent(torch.distributions.Normal(mean, sigma), 1)


def logistic_normal(mean, masks, sigma):
    """Of the numbers before the softmax, as the learner keeps them."""
    return gaussian(mean, masks, sigma)


def dirichlet(raw, masks, sigma):
    return torch.distributions.Dirichlet(torch.nn.functional.softplus(raw) + 1)


LAWS = [
    (categorical, lambda n: ToyVec(n, 5)),
    (categorical, lambda n: MaskedToyVec(n, 5)),
    (gaussian, lambda n: VectorToyVec(n, 3)),
    (logistic_normal, lambda n: SharesToyVec(n, 4)),
    (dirichlet, lambda n: SharesToyVec(n, 4)),
]


@pytest.mark.parametrize(
    ("law", "env"), LAWS, ids=["categorical", "masked", *[law.__name__ for law, _ in LAWS[2:]]]
)
def test_ppo_gradient_equals_autograd(law, env):
    sigma, entropy = 0.7, 0.05
    settings = PpoSettings(steps=16, minibatch=128, distribution=law.__name__, sigma_start=sigma)
    learner = Ppo(env(16), settings, seed=4)
    learner.update()  # away from the initial policy, so that ratios differ from 1 and some are clipped
    learner.collect()
    learner._compute_advantages()
    s, net, r = learner.settings, learner.net, learner.rollout
    rng = np.random.default_rng(0)
    net.params += rng.normal(scale=0.05, size=net.params.size).astype(np.float32)
    rows, stats = rng.permutation(learner.batch)[: s.minibatch], np.zeros(5)
    learner.shuffled.take(r, np.resize(rows, learner.batch))
    learner.gradient(slice(0, s.minibatch), stats, sigma, entropy)

    leaves = as_torch(net)
    raw, value = forward(leaves, r.obs[rows])
    old, adv, ret = torch.tensor(r.floats[rows]).T
    actions, dist = torch.tensor(r.actions[rows]), law(raw, r.masks[rows], sigma)
    adv = (adv - adv.mean()) / (adv.std() + 1e-8)
    ratio = torch.exp(dist.log_prob(actions) - old)
    policy_loss = -torch.min(adv * ratio, adv * torch.clamp(ratio, 1 - s.clip, 1 + s.clip)).mean()
    value_loss = torch.nn.functional.mse_loss(value[:, 0], ret)
    (policy_loss + s.value * value_loss - entropy * dist.entropy().mean()).backward()

    assert ((ratio - 1).abs() > s.clip).any()
    expected = [
        float(v)
        for v in (policy_loss.detach(), value_loss.detach(), dist.entropy().mean().detach())
    ]
    np.testing.assert_allclose(stats[:3], expected, atol=1e-5, rtol=1e-4)
    compare(net, leaves)


@pytest.mark.parametrize("dueling", [False, True])
@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("n_step", [1, 3])
def test_dqn_gradient_equals_autograd(double, dueling, n_step):
    settings = DqnSettings(capacity=320, warmup=64, steps=32, minibatch=64, gamma=0.9, n_step=n_step, double=double,
                           dueling=dueling, scale_rewards=False)  # fmt: skip
    learner = Dqn(MaskedToyVec(n=8, actions=4), settings, seed=2)
    learner.update()
    learner.update()  # the ring of 40 has come round
    rng, net, target, m = np.random.default_rng(1), learner.net, learner.target, learner.replay
    for some in (net, target):
        some.params += rng.normal(scale=0.3, size=some.params.size).astype(np.float32)
    rows, stats = m.draw(learner.rng, settings.minibatch, n_step), np.zeros(2)
    learner.loss(rows, stats)
    net.backward(learner.mini_x[: settings.minibatch], learner.learning)

    goals, later_x, masks, discounts = [], [], [], []
    for row in rows:  # the n-step return written out
        t, e = divmod(int(row), m.n)
        total, discount = 0.0, 1.0
        for _ in range(n_step):
            total += discount * m.rewards[t, e]
            discount *= 0.9 * (not m.dones[t, e])
            t = (t + 1) % m.capacity
            if discount == 0:
                break
        goals.append(total)
        discounts.append(discount)
        later_x.append(m.obs[t, e])
        masks.append(m.masks[t, e])
    x = np.empty((len(rows), 5), np.float32)
    x_later = np.empty_like(x)
    learner.normaliser.apply(m.obs.reshape(-1, 5)[rows], x)
    learner.normaliser.apply(np.array(later_x), x_later)

    def q_of(out):
        return out[:, :1] + out[:, 1:] - out[:, 1:].mean(dim=1, keepdim=True) if dueling else out

    leaves = as_torch(net)
    with torch.no_grad():
        valuing = q_of(forward(as_torch(target), x_later)[0])
        choosing = q_of(forward(leaves, x_later)[0]) if double else valuing
        best = torch.where(torch.tensor(np.array(masks)), choosing, torch.tensor(-1e9)).argmax(
            dim=1
        )
        goal = (
            torch.tensor(goals) + torch.tensor(discounts) * valuing[torch.arange(len(rows)), best]
        )
    q = q_of(forward(leaves, x)[0])[
        torch.arange(len(rows)), torch.tensor(m.actions.reshape(-1)[rows])
    ]
    loss = torch.nn.functional.smooth_l1_loss(q, goal.float())
    loss.backward()
    np.testing.assert_allclose(stats[0], float(loss.detach()), rtol=1e-4)
    compare(net, leaves)


def test_adam_equals_torch():
    from torch.optim.adam import adam

    rng = np.random.default_rng(3)
    params = rng.normal(size=1000).astype(np.float32)
    theirs = torch.tensor(params.copy(), requires_grad=True)
    mine, moments, steps = Adam(1000), torch.zeros(2, 1000), torch.zeros(())
    for _ in range(50):
        grad = rng.normal(size=1000).astype(np.float32)
        theirs.grad = torch.tensor(grad.copy())
        norm = torch.nn.utils.clip_grad_norm_([theirs], 0.5)
        with torch.no_grad():  # the class `torch.optim.Adam` imports a compiler for two seconds
            adam(
                [theirs], [theirs.grad], [moments[0]], [moments[1]], [], [steps],
                amsgrad=False, beta1=0.9, beta2=0.999, lr=3e-3, weight_decay=0.0, eps=1e-5, maximize=False,
            )  # fmt: skip
        assert mine.step(params, grad, 3e-3, 0.5) == pytest.approx(float(norm), rel=1e-5)
    np.testing.assert_allclose(params, theirs.detach().numpy(), atol=1e-5)


def test_dueling_head_folds_into_one_layer():
    learner = Dqn(
        ToyVec(n=8, actions=4), DqnSettings(capacity=512, warmup=64, steps=32, minibatch=64), seed=5
    )
    learner.update()
    obs = learner.env.reset(seed=3)[0]
    x = np.empty_like(obs)
    learner.normaliser.apply(obs, x)
    out = forward(as_torch(learner.net), x)[0].detach().numpy()
    expected = out[:, :1] + out[:, 1:] - out[:, 1:].mean(axis=1, keepdims=True)
    np.testing.assert_allclose(learner.policy().logits(obs), expected, atol=1e-5)
