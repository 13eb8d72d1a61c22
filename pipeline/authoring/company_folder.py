"""Makes a company's own folder: settings, and places for its connectors, mappings and samples (`afluente init`)."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import ConfigurationError

_KEEP = ".gitkeep"  # git knows no empty folders
_FOLDERS = (
    "connectors/sources",
    "connectors/destinations",
    "mappings/sources",
    "mappings/destinations",
    "mappings/vocabularies",
    "samples",
)
_SETTINGS = """\
# Settings of this installation. Every key: docs/settings.md. `afluente doctor` checks the lot.
# A secret is a reference, env:NAME or file:PATH, so this file can be committed.

# Brands are kept apart: their people are never matched with each other. Without this there is one, `default`.
# brands:
#   default: {region: US}        # how a phone number without a country code is read

# Sources work with their defaults; `afluente source list` shows them.
# sources:
#   standard_webhooks: {secret: env:STANDARD_WEBHOOKS_SECRET}

# Without a destination, `afluente up` starts a sandbox CRM and delivers there.
# destinations:
#   crm:
#     kind: salesforce
#     base_url: https://example.my.salesforce.com
#     secrets: {client_id: env:CRM_CLIENT_ID, client_secret: env:CRM_CLIENT_SECRET}

# A name of the internet that leads into a private network is not called. For one of your own set `allow_private: true`
# at its source or destination, or name the network: networks: [10.20.0.0/16]
outgoing: {private_networks: refuse}
"""
_IGNORED = """\
# Data, keys made by `afluente up`, and secrets: never committed.
.afluente/
secrets/
.env
__pycache__/
"""
_README = """\
# Our Afluente

What is ours lies here, under our own version control; the product itself is installed with pip and updated without us.
A file here takes the place of the shipped file at the same path. `afluente doctor` names those that do.

- `afluente.yaml`: settings. `.afluente/` (data) and `secrets/` are not committed.
- `connectors/`, `mappings/`, `samples/`: our sources and CRMs. `afluente source new NAME` writes the first version.
- `mappings/identity.yaml` and the like: copy the shipped file here to change it.

`afluente up` in this folder runs everything. From elsewhere, set `AFLUENTE_HOME` to this folder.
"""


def make_company_folder(folder: Path) -> list[Path]:
    """Make the folder and what belongs into it. Gives the files written, below `folder`; other files stay as they are.

    Raises ConfigurationError, and writes nothing, if something of it is there already or cannot be written.
    """
    texts = {Path("afluente.yaml"): _SETTINGS, Path(".gitignore"): _IGNORED, Path("README.md"): _README}
    texts |= {Path(name, _KEEP): "" for name in _FOLDERS}
    _refuse_what_is_there(folder, texts)
    try:
        for path, text in texts.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            with (folder / path).open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be written ({error.strerror}): choose another folder") from error
    return list(texts)


def _refuse_what_is_there(folder: Path, texts: dict[Path, str]) -> None:
    if folder.exists() and not folder.is_dir():
        raise ConfigurationError(f"{folder} is no folder: choose another name")
    tops = dict.fromkeys(path.parts[0] for path in texts)
    taken = [name for name in tops if (folder / name).exists() or (folder / name).is_symlink()]
    if taken:
        raise ConfigurationError(
            f"{folder} holds {', '.join(taken)} already; nothing was written: choose another folder, or move that away"
        )
