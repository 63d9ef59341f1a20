"""A certificate authority of the tests' own, and certificates that it vouches for."""

import shutil
import subprocess
from pathlib import Path

import pytest


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def authority(folder: Path) -> Path:
    """Make an authority in a folder; the path of its certificate. Its key lies beside it as `.key`."""
    if shutil.which("openssl") is None:
        pytest.skip("no program openssl")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "ca.pem"
    key = (
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-keyout",
        str(path.with_suffix(".key")),
    )
    extensions = "-addext", "keyUsage=critical,keyCertSign,cRLSign"
    _openssl(
        "req",
        "-x509",
        *key,
        "-out",
        str(path),
        "-days",
        "2",
        "-subj",
        "/CN=test authority",
        *extensions,
    )
    return path


def certificate(ca: Path, name: str) -> tuple[Path, Path]:
    """A certificate of a name, signed by an authority, and its key."""
    made, key, request = (ca.with_name(f"{name}.{end}") for end in ("pem", "key", "csr"))
    curve = "-pkeyopt", "ec_paramgen_curve:prime256v1"
    _openssl(
        *(
            "req",
            "-newkey",
            "ec",
            *curve,
            "-nodes",
            "-keyout",
            str(key),
            "-out",
            str(request),
            "-subj",
            f"/CN={name}",
        )
    )
    alternative = ca.with_name(f"{name}.ext")
    alternative.write_text(f"subjectAltName=DNS:{name},IP:127.0.0.1\n")
    signer = "-CA", str(ca), "-CAkey", str(ca.with_suffix(".key")), "-CAcreateserial"
    _openssl(
        *(
            "x509",
            "-req",
            "-in",
            str(request),
            *signer,
            "-days",
            "2",
            "-extfile",
            str(alternative),
            "-out",
            str(made),
        )
    )
    return made, key
