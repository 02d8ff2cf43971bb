"""Data sets, cuts and collation, in plain torch: from files to `Batch`.

`signal_data.py` says what a run asks of its data and `order.py` numbers the samples of a run.
Pictures: `source.py` says what a set of them is, `image_folder.py` and `torchvision_sets.py` are such sets, `crops.py`
cuts them, `image_data.py` puts them together; `emoji_source.py`, `affine_colour.py` and `emoji_data.py` are pictures
with names. Sounds likewise: `audio_source.py`, `audio_folder.py` and
`torchaudio_sets.py`, `segments.py`, `audio_data.py`; `audio_file.py` and `read_audio.py` read the files.
"""
