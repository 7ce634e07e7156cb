"""What TensorBoard shows of a run: its logger, the layout of the curves, and views of prompt, attention and answers."""
