"""Archives that must be refused, each made from a good one and named after its failure."""
