"""The settings table: where a value comes from, what is refused, what is generated from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from truecount.commands.serve import settings_of
from truecount.settings import BY_NAME, SETTINGS, Settings, WrongSetting, help_of, markdown, read_settings

ROOT = Path(__file__).parents[2]


def test_each_setting_has_a_field_a_flag_and_a_variable_of_its_own() -> None:
    assert Settings._fields == tuple(setting.name for setting in SETTINGS)
    assert (
        len({setting.flag for setting in SETTINGS}) == len({setting.variable for setting in SETTINGS}) == len(SETTINGS)
    )


def test_each_default_is_a_value_that_its_own_check_takes() -> None:
    for setting in SETTINGS:
        assert setting.read(setting.default, "default") == setting.default


def test_a_flag_beats_a_variable_beats_the_file_beats_the_default(tmp_path: Path) -> None:
    config = tmp_path / "truecount.toml"
    config.write_text("port = 1001\ndoors = 3\nhost = '127.0.0.3'\n")
    environ = {"TRUECOUNT_PORT": "1002", "TRUECOUNT_DOORS": "2"}
    found = read_settings({"port": "1003", "doors": None}, environ=environ, config=config)
    assert (found.port, found.doors, found.host, found.queue_mb) == (1003, 2, "127.0.0.3", BY_NAME["queue_mb"].default)


def test_the_file_is_taken_from_where_the_command_runs_or_where_the_variable_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_settings(environ={}).port == 8000
    (tmp_path / "truecount.toml").write_text("port = 81\n")
    (tmp_path / "other.toml").write_text("port = 82\n")
    assert read_settings(environ={}).port == 81
    assert read_settings(environ={"TRUECOUNT_CONFIG": "other.toml"}).port == 82


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"port": "65536"}, "port"),
        ({"port": "-1"}, "port"),
        ({"port": "http"}, "port"),
        ({"doors": "65"}, "doors"),
        ({"trusted_proxy": "everyone"}, "trusted_proxy"),
        ({"tls_cert": "/nowhere.pem"}, "tls_cert"),
        ({"store": "clickhouse://x"}, "store"),
        ({"log": "kafka://x"}, "log"),
        ({"max_body_bytes": "10"}, "max_body_bytes"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else value,
)
def test_a_wrong_value_is_refused_with_its_name_and_place(given: dict[str, str], named: str) -> None:
    with pytest.raises(WrongSetting, match=named) as by_flag:
        read_settings(given, environ={})
    assert f"--{named.replace('_', '-')}" in str(by_flag.value)
    with pytest.raises(WrongSetting, match=f"TRUECOUNT_{named.upper()}"):
        read_settings(environ={f"TRUECOUNT_{name.upper()}": value for name, value in given.items()})


@pytest.mark.parametrize(
    ("port", "taken"), [("0", True), ("65535", True), ("65536", False)], ids=["0", "65535", "65536"]
)
def test_limits_hold_to_the_number(port: str, taken: bool) -> None:
    if taken:
        assert read_settings({"port": port}, environ={}).port == int(port)
    else:
        with pytest.raises(WrongSetting):
            read_settings({"port": port}, environ={})


def test_an_unknown_key_in_the_file_is_refused_with_its_name(tmp_path: Path) -> None:
    config = tmp_path / "truecount.toml"
    config.write_text("prot = 80\n")
    with pytest.raises(WrongSetting, match="prot"):
        read_settings(environ={}, config=config)


def test_a_value_of_a_wrong_type_in_the_file_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "truecount.toml"
    config.write_text("doors = true\n")
    with pytest.raises(WrongSetting, match="doors"):
        read_settings(environ={}, config=config)


def test_a_file_that_is_asked_for_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(WrongSetting, match=r"none\.toml"):
        read_settings(environ={}, config=tmp_path / "none.toml")


def test_a_certificate_wants_its_key(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("x")
    with pytest.raises(WrongSetting, match="tls_key"):
        read_settings({"tls_cert": str(tmp_path / "cert.pem")}, environ={})


def test_children_read_the_same_settings_from_their_variables() -> None:
    found = read_settings({"port": "81", "trusted_proxy": "10.0.0.1, 10.1.0.0/16", "data": "/x"}, environ={})
    assert read_settings(environ=found.variables()) == found


def test_serve_takes_a_flag_for_each_setting_and_no_abbreviation() -> None:
    for setting in SETTINGS:
        if setting.check is None or setting.name in ("port", "doors"):
            value = "1" if isinstance(setting.default, int) else "text"
            assert str(getattr(settings_of([setting.flag, value]), setting.name)) == value
    with pytest.raises(SystemExit) as left:
        settings_of(["--por", "1"])
    assert left.value.code == 2


def test_serve_help_tells_each_setting_with_default_unit_and_variable(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        settings_of(["--help"])
    assert left.value.code == 0
    shown = "".join(capsys.readouterr().out.split())
    for setting in SETTINGS:
        assert "".join(help_of(setting).split()) in shown


def test_the_docs_are_what_the_table_generates() -> None:
    path = ROOT / "docs" / "settings.md"
    assert path.read_text() == markdown(), "run: python -m truecount.settings --markdown > docs/settings.md"
