"""One stream of integers for a language model: vocabulary, grammar, patterns. numpy alone, anyone's codes, exact."""
