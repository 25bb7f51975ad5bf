"""Examples that run: a video-processing workflow with two sets of tasks, and small ones for each shape of concurrency.

`workflow` holds the video workflow's closure; `sleeping` and `video` are the tasks to inject (the first only sleep);
`clip` makes something to work on; `nine` holds the small workflows.  `clip` and `video` need the extra
``interactive_flow[examples]`` (PyAV, NumPy, Pillow); the others need nothing.
"""
