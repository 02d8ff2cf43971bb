"""Rules 3 and 4: constrained samples parse, and decode to finite signals of the size that their header says."""

from collections.abc import Sequence

import numpy as np
import torch

from signaltok.language.decoding import to_stack, tokenizer_of
from signaltok.language.gpt import GPT
from signaltok.language.made import Made
from signaltok.language.proof import Proof, Proven, Verdict
from signaltok.language.sampling import sample_documents
from signaltok.language.token_data import TokenData
from signaltok.store.plan import Item
from signaltok.streams.documents import Signal, Text
from signaltok.streams.errors import TokenDataError
from signaltok.tokenizer import Tokenizer


class Samples(Proof):
    """sizes: of the signals to sample, by stream. count: of each stream. unconstrained: documents drawn of all ids, of
    which the share that parses is told. most: ids of a document. temperature: of the logits.

    A stream of whose documents some have text gets a text of the test split before it. A stream whose tokenizer is not
    there is sampled and parsed, and not decoded.
    """

    def __init__(
        self, *, sizes: dict[str, list[int]], count: int, unconstrained: int, most: int, temperature: float
    ) -> None:
        if count < 1 or unconstrained < 0 or most < 2 or not temperature > 0:
            raise ValueError(
                f"samples: count is {count} (1 or more), unconstrained {unconstrained} (0 or more), most {most} (2 or "
                f"more), temperature {temperature} (above 0)"
            )
        self.sizes, self.count, self.unconstrained = sizes, count, unconstrained
        self.most, self.temperature = most, temperature

    def prove(self, model: GPT, data: TokenData, values: dict[str, float], *, seed: int) -> Proven:
        """Sample, parse, decode."""
        del values
        names = [stream.name for stream in data.vocabulary.streams]
        if set(names) - self.sizes.keys():
            raise ValueError(f"metrics.samples.sizes is of {sorted(self.sizes)}, but the streams are {names}")
        generator = torch.Generator().manual_seed(seed)
        parsed, drawn, due, problems, made = 0, 0, 0, [], []
        for name, store in zip(names, data.stores, strict=True):
            size = tuple(self.sizes[name])
            texts = self._texts(data, name)
            tokenizer = tokenizer_of(store)
            for text, ids in zip(texts, self._drawn(model, data, name, size, texts, generator), strict=True):
                drawn += 1
                due += tokenizer is not None
                signal = _parsed(data, ids)
                if signal is None or signal.signal_size != size:
                    problems.append(f"a sample of {name} does not parse to a signal of size {size}")
                    continue
                parsed += 1
                if tokenizer is not None:
                    item = Item(key="sample", levels=signal.levels, signal_size=size)
                    signals = tokenizer.decode(to_stack(item, store.header))[0].cpu().numpy()
                    if signals.shape[1:] != size or not np.isfinite(signals).all():
                        problems.append(f"a sample of {name} decodes to shape {signals.shape}, or not to numbers")
                        continue
                    made.append(_made(tokenizer, name, signals, text))
        verdicts = [Verdict("constrained samples parse", parsed == drawn, f"{parsed} of {drawn}")]
        if due:
            told = "; ".join(problems) or f"all {due} finite and of the size in their header"
            verdicts.append(Verdict("samples decode", len(made) == due, told))
        rates = {"parse_rate": parsed / drawn, **self._unconstrained(model, data, generator)}
        return Proven(rates, tuple(verdicts), tuple(made))

    def _texts(self, data: TokenData, name: str) -> list[str | None]:
        """A text for each sample of a stream."""
        told = [entry.text for entry in data.told["test"] if entry.signal.stream == name and entry.text is not None]
        return [told[number % len(told)] if told else None for number in range(self.count)]

    def _drawn(
        self,
        model: GPT,
        data: TokenData,
        name: str,
        size: tuple[int, ...],
        texts: Sequence[str | None],
        generator: torch.Generator,
    ) -> list[np.ndarray]:
        control, stream = data.vocabulary.control, data.vocabulary.stream(name)
        prompts = []
        for text in texts:
            before = [] if text is None else [own for _, own in data.grammar.segments([Text.of(text)])]
            begin = np.array([control[f"begin_{name}"]])
            prompts.append(np.concatenate([np.array([control["bos"]]), *before, begin]))
        numbers = size if stream.grids == "signal" else (*size, *stream.largest[len(size) :])
        longest = max(map(len, prompts)) + self.most
        return sample_documents(
            model, data.grammar, prompts, sizes={name: numbers}, most=longest, temperature=self.temperature,
            generator=generator,
        )  # fmt: skip

    def _unconstrained(self, model: GPT, data: TokenData, generator: torch.Generator) -> dict[str, float]:
        if not self.unconstrained:
            return {}
        prompts = [np.array([data.vocabulary.control["bos"]])] * self.unconstrained
        drawn = sample_documents(
            model, data.grammar, prompts, sizes=None, most=self.most, temperature=self.temperature, generator=generator
        )
        return {"parse_rate_unconstrained": sum(_parses(data, ids) for ids in drawn) / len(drawn)}


def _parses(data: TokenData, ids: np.ndarray) -> bool:
    try:
        data.grammar.parse(ids)
    except TokenDataError:
        return False
    return True


def _parsed(data: TokenData, ids: np.ndarray) -> Signal | None:
    """The signal of a sampled document, None where it does not parse."""
    if not _parses(data, ids):
        return None
    (document,) = data.grammar.parse(ids)
    return next((segment for segment in document if isinstance(segment, Signal)), None)


def _made(tokenizer: Tokenizer, name: str, values: np.ndarray, text: str | None) -> Made:
    low, high = tokenizer.value_range
    clipped = values.clip(low, high)
    if tokenizer.sample_rate is not None:
        return Made(name, clipped.astype(np.float32), tokenizer.sample_rate, text)
    return Made(name, np.rint((clipped - low) * (255 / (high - low))).astype(np.uint8), None, text)
