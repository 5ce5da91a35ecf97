"""What training goes on from, as a part of the document and arrays, and back.

The optimizer, the random state, and a fit that was cut short.
"""

from typing import Any

import numpy as np
from sklearn.utils._param_validation import validate_parameter_constraints

from rustbp._io.arrays import Arrays, add_layers, layers_of
from rustbp._io.values import decode, encode
from rustbp._training.optimizer import HYPERPARAMETERS, Optimizer
from rustbp._training.unfinished import Unfinished


def optimizer_of(model: Any, arrays: Arrays) -> dict[str, Any] | None:
    """What the document says of the optimizer, whose state goes to the arrays; None if there is none."""
    optimizer = getattr(model, "_optimizer", None)
    if optimizer is None:
        return None
    slots = None
    if optimizer.state is not None:
        slots = [name for name in optimizer.state if name != "t"]
        for slot in slots:
            layers = optimizer.state[slot]
            half = len(layers) // 2
            add_layers(arrays, f"optimizer.{slot}.", layers[:half], layers[half:])
    return {
        "name": optimizer.name,
        "hyperparameters": {
            name: float(value) for name, value in optimizer.hyperparameters.items()
        },
        "learning_rate_init": encode(optimizer.learning_rate_init, "learning_rate_init"),
        "learning_rate": encode(float(optimizer.learning_rate), "learning_rate"),
        "schedule": optimizer.schedule,
        "power_t": encode(optimizer.power_t, "power_t"),
        "t": int(optimizer.t),
        "slots": slots,
    }


def restore_optimizer(model: Any, document: dict[str, Any], arrays: Arrays) -> Optimizer:
    """The optimizer that `optimizer_of` stored."""
    validate_parameter_constraints(
        {"learning_rate": model._parameter_constraints["learning_rate"]},
        {"learning_rate": document["schedule"]},
        caller_name=type(model).__name__,
    )
    name = document["name"]
    # What the file does not have, the parameters have.
    given = {core: getattr(model, own) for core, own in HYPERPARAMETERS.get(name, {}).items()}
    given |= document["hyperparameters"]
    optimizer = Optimizer(
        name,
        {hyperparameter: float(value) for hyperparameter, value in given.items()},
        decode(document["learning_rate_init"]),
        document["schedule"],
        decode(document["power_t"]),
    )
    optimizer.learning_rate = float(decode(document["learning_rate"]))
    optimizer.t = document["t"]
    if document.get("slots") is not None:
        optimizer.state = {"t": optimizer.t}
        for slot in document["slots"]:
            coefs, intercepts = layers_of(arrays, f"optimizer.{slot}.")
            optimizer.state[slot] = coefs + intercepts
    return optimizer


def random_state_of(model: Any, arrays: Arrays) -> dict[str, Any] | None:
    """What the document says of the random state, whose numbers go to the arrays; None for NumPy's global one, unless a
    fit is to go on with it."""
    generator = model.random_state
    of_fit = generator is not None or hasattr(model, "_unfinished")
    if of_fit and not isinstance(generator, np.random.RandomState):
        generator = getattr(model, "_random_state", None)
    if generator is None:
        # NumPy's global generator goes on by itself.
        return None
    state = generator.get_state(legacy=False)
    if state["bit_generator"] != "MT19937":
        raise ValueError(
            f"random_state is a RandomState of {state['bit_generator']}; a model file holds one of MT19937"
        )
    arrays["random_state"] = np.asarray(state["state"]["key"], dtype=np.uint32)
    return {
        "pos": int(state["state"]["pos"]),
        "has_gauss": bool(state["has_gauss"]),
        "gauss": encode(float(state["gauss"]), "gauss"),
    }


def restore_random_state(
    document: dict[str, Any] | None, arrays: Arrays
) -> np.random.RandomState | None:
    """The generator that `random_state_of` stored, if it did."""
    if not document:
        return None
    generator = np.random.RandomState(0)
    key, gauss = arrays["random_state"], decode(document["gauss"])
    generator.set_state(("MT19937", key, document["pos"], int(document["has_gauss"]), gauss))
    return generator


def unfinished_of(model: Any, arrays: Arrays) -> dict[str, Any] | None:
    """What the document says of a fit that was cut short, whose rows and best weights go to the arrays."""
    unfinished = getattr(model, "_unfinished", None)
    if unfinished is None:
        return None
    for name in ("order", "held_out"):
        rows = getattr(unfinished, name)
        if rows is not None:
            arrays[f"unfinished.{name}"] = np.asarray(rows, dtype=np.int64)
    if unfinished.parts is not None:
        # In the place of rows that are held out, of which there are none: no row has the number -1.
        arrays["unfinished.held_out"] = np.array([-1, *unfinished.parts], dtype=np.int64)
    if unfinished.best is not None:
        add_layers(arrays, "unfinished.best.", *unfinished.best)
    found = {"best": unfinished.best is not None}
    return found | {"single": True} if unfinished.single else found


def restore_unfinished(document: dict[str, Any], arrays: Arrays) -> Unfinished:
    """The fit that `unfinished_of` stored."""
    held_out, parts = arrays.get("unfinished.held_out"), None
    if held_out is not None and len(held_out) == 4 and held_out[0] == -1:
        held_out, parts = None, tuple(map(int, held_out[1:]))
    return Unfinished(
        order=arrays.get("unfinished.order"),
        held_out=held_out,
        parts=parts,
        best=layers_of(arrays, "unfinished.best.") if document["best"] else None,
        single=document.get("single", False),
    )
