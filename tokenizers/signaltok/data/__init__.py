"""Data sets, crops and collation, in plain torch: from files to `Batch`.

`source.py` says what a set of pictures is, `image_folder.py` and `torchvision_sets.py` are such sets, `crops.py` cuts
them, `order.py` numbers the samples of a run, and `image_data.py` puts them together for training and evaluation.
"""
