"""Hosts as flags, schedulers and TF_CONFIG name them."""

import json
import os

import pytest

from ctrzoo.cluster import name_hosts, named_hosts


@pytest.mark.parametrize(
    ("index", "environment", "expected"),
    [(1, {}, 1), (None, {"SLURM_PROCID": "1"}, 1), (None, {"JOB_COMPLETION_INDEX": "0"}, 0)],
)
def test_flags_and_schedulers_name_the_hosts(index, environment, expected, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", "")
    name_hosts("a:1, b:2", index, environment)
    assert named_hosts() == (["a:1", "b:2"], expected)
    cluster = {"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": expected}}
    assert json.loads(os.environ["TF_CONFIG"]) == cluster


def test_a_chief_comes_before_the_workers(monkeypatch):
    cluster = {"chief": ["a:1"], "worker": ["b:1", "c:1"]}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": {"type": "worker", "index": 1}}))
    assert named_hosts() == (["a:1", "b:1", "c:1"], 2)


def test_without_hosts_nothing_changes(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    name_hosts(None)
    assert named_hosts() is None and "TF_CONFIG" not in os.environ


@pytest.mark.parametrize(
    ("hosts", "index", "message"),
    [
        ("a,b:1", 0, "addresses with ports, such as a:12345,b:12345. Received: 'a'"),
        ("a:1,a:1", 0, "must differ"),
        ("a:1,b:1", 2, "must be from 0 to 1"),
        ("a:1,b:1", None, "Pass --host_index=0 on the first one"),
        (None, 1, "Set hosts too"),
    ],
)
def test_wrong_hosts_are_refused(hosts, index, message, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(ValueError, match=message):
        name_hosts(hosts, index, {})
    assert "TF_CONFIG" not in os.environ


def test_a_wrong_variable_is_refused(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["a:1"]}}')
    with pytest.raises(ValueError, match="pass --hosts and --host_index"):
        named_hosts()
