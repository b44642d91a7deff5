"""From a history to a model folder: features counted as the node counts them, trained, judged once, told in two languages."""
