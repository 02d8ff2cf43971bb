"""A quantizer's file laid over an experiment without composing the two together, which takes a third of a second.

What a quantizer's file says and what an experiment says meet in two places: the file reads `encoder.*`, and adds its
losses to the objective. Both are held to here, and test_composition.py holds the result to what Hydra composes.
"""

from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from signaltok.training.config.resolve import plain

Settings = dict[str, Any]
PARTS = ("terms", "weights")


def without_codes(config: DictConfig) -> Settings:
    """The settings of an experiment that was composed with quantizer=identity, which adds no loss; unresolved.

    Nothing but the quantizer itself may read what stands under `quantizer`.
    """
    with open_dict(config):
        found = config.pop("quantizer")
    assert found == {
        "_target_": "signaltok.quantizers.identity.IdentityQuantizer",
        "latent_dim": "${encoder.latent_dim}",
    }
    plain(config)
    return raw(config)


def resolved(settings: Settings) -> Settings:
    """The settings with every interpolation replaced by what it stands for."""
    return plain(OmegaConf.create(settings))


def brought(config: DictConfig, identity: DictConfig) -> Settings:
    """What a quantizer's file adds to any settings, unresolved: the quantizer, and its losses in the objective.

    config and identity are composed alike, with this quantizer and with none.
    """
    own, without = raw(config), raw(identity)
    losses = {part: own["objective"][part].copy() for part in PARTS}
    for part in PARTS:
        for name, node in without["objective"][part].items():
            assert losses[part].pop(name) == node, f"it changes objective.{part}.{name}"
    node = own.pop("quantizer")
    del without["quantizer"]
    for part in PARTS:
        own["objective"][part] = without["objective"][part]
    assert own == without, "it changes more than the quantizer and its losses"
    return {"quantizer": node, "objective": losses}


def laid_over(experiment: Settings, quantizer: Settings) -> Settings:
    """What without_codes gave, resolved, and what brought gave; a quantizer's file reads the encoder and itself."""
    own = resolved({"encoder": experiment["encoder"], **quantizer})
    objective = dict(experiment["objective"])
    for part in PARTS:
        added, there = own["objective"][part], objective[part]
        assert not added.keys() & there.keys(), f"both say objective.{part}: {added.keys() & there.keys()}"
        objective[part] = {**there, **added}
    return {**experiment, "quantizer": own["quantizer"], "objective": objective}


def raw(config: DictConfig) -> Settings:
    """Plain data with the interpolations as they are written."""
    content = OmegaConf.to_container(config, resolve=False)
    assert isinstance(content, dict)
    return {str(key): value for key, value in content.items()}
