"""`tercel/Execution-v1`: made as Gymnasium documents, in any market, with own rewards and observations."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import tercel as tc
from tercel.api.envs import ID
from tercel.lab.learning.envs import ExecutionVec

ROOT = Path(__file__).resolve().parents[2]
SHORT = tc.Task(horizon="2min", decisions=6)


def eyes(view: tc.View) -> Any:
    return np.column_stack(
        [view.left / view.qty0, view.time_left_ns / view.horizon_ns, view.spread]
    )


def paid(step: tc.Step) -> Any:
    return -step.cost_bps


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("import gymnasium, tercel", ID),
        *(
            pytest.param(*each, marks=pytest.mark.release)
            for each in (
                ("import gymnasium", f"tercel.api.envs:{ID}"),
                ("import gymnasium; import tercel as tc; gymnasium.register_envs(tc)", ID),
                ("import gymnasium", f"tercel:{ID}"),
                ("import gymnasium, tercel", f"tercel:{ID}"),
                ("import tercel as tc; import gymnasium", f"tercel.api.envs:{ID}"),
                ("import tercel.api.envs; import gymnasium", ID),
            )
        ),
    ],
)
def test_it_is_made_as_gymnasium_documents_with_and_without_an_import_before(
    code: str, name: str
) -> None:
    """The market's name is wrong: that is told by the environment itself, and no market is warmed."""
    ask = f"{code}; gymnasium.make({name!r}, market='csko')"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=False)
    assert "the name of a preset market" in done.stderr


def test_the_import_adds_no_finder() -> None:
    ask = "import sys; before = list(sys.meta_path); import tercel; assert sys.meta_path == before"
    subprocess.run([sys.executable, "-c", ask], check=True)


def test_gymnasium_accepts_it(market: tc.Market, recwarn: pytest.WarningsRecorder) -> None:
    env = gymnasium.make(ID, market=market, task=SHORT, worlds=2, render_mode=None)
    check_env(env.unwrapped)
    own = gymnasium.make(
        ID, market=market.preset, task=SHORT, worlds=2, observation=eyes, reward=paid
    )
    assert own.observation_space.shape == (3,)
    check_env(own.unwrapped)
    assert not [one for one in recwarn if "render" in str(one.message)]
    films = gymnasium.make(
        ID, market=market.preset, task=SHORT, worlds=2, render_mode="rgb_array_list"
    )
    films.reset(seed=1)
    assert [frame.shape for frame in films.render()] == [(320, 480, 3)]
    assert (
        gymnasium.make_vec(
            ID, num_envs=2, market=market, task=SHORT, worlds=2, render_mode=None
        ).render()
        is None
    )
    assert not [one for one in recwarn if Path(one.filename).is_relative_to(ROOT / "src")]


def test_one_and_many_are_the_same_episodes_and_return_minus_the_shortfall(
    market: tc.Market,
) -> None:
    told = {"market": market, "task": SHORT, "worlds": 2, "observation": eyes, "reward": paid}
    one, many = gymnasium.make(ID, **told), gymnasium.make_vec(ID, num_envs=3, **told)
    assert isinstance(many.unwrapped, ExecutionVec)
    obs, total, ended = many.reset(seed=5)[0], 0.0, False
    np.testing.assert_array_equal(obs[0], one.reset(seed=5)[0])
    while not ended:
        single, reward, ended, _, info = one.step(2)
        obs, rewards, _, _, infos = many.step(np.full(3, 2))
        assert reward == rewards[0]
        total += float(reward)
    np.testing.assert_array_equal(infos["final_obs"][0], single)
    assert info["is_bps"] == pytest.approx(-total)


def test_a_tape_is_an_environment(lake: Path) -> None:
    """Windows of the days before those that are judged; a seed decides the windows."""
    env = gymnasium.make(
        ID, market=tc.replay(lake, "SIM"), task=tc.Task(horizon="10min", decisions=5)
    )
    first = env.reset(seed=3)[0]
    shortfalls = []
    for _ in range(2):
        ended = False
        while not ended:
            _, _, ended, _, info = env.step(env.unwrapped.action_space.n - 1)
        shortfalls.append(info["is_bps"])
        env.reset()
    assert np.isfinite(shortfalls).all()
    np.testing.assert_array_equal(env.reset(seed=3)[0], first)


def test_functions_by_name_and_what_is_refused(market: tc.Market, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def paid(step):\n    return -step.cost_bps\n")
    env = gymnasium.make(
        ID, market=market, task=SHORT, worlds=1, reward=f"{tmp_path / 'mine.py'}:paid"
    )
    env.reset(seed=1)
    assert np.isfinite(env.step(7)[1])
    for told, said in (
        ({"market": 3}, "a tercel.Market"),
        ({"market": tc.load_market(market.preset, fees="1,2bps")}, "without fees"),
        ({"market": market, "observation": "v9"}, "one of v2, v3"),
        ({"market": market, "reward": "mine"}, "module:Name"),
    ):
        with pytest.raises(tc.TercelError, match=said):
            gymnasium.make(ID, task=SHORT, **{"worlds": 1, **told})
