"""Training: mutual-imitation pre-training and fine-tuning from episodes. Imports torch, never rclpy. docs/training.md.

preparing.prepare(refs, options, cache) -> Prepared      episodes to arrays with both bodies' labels, kept on disk
checking.check(prepared, profile, ...) -> Report         what is wrong with the data, and what is left to train on
batches.Batches(examples, ...)[step] -> Batch            the same batch for the same step, always and everywhere
trainer.train(job, options, out) -> Result               the loop: exact resume, curves, best checkpoint
"""
