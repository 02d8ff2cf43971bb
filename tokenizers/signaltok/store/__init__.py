"""Token data sets on disk: hashed shards of canonical codes, resumable, readable with numpy and safetensors alone."""
