"""Pictures: functions from numbers to plotly figures, the same for the report, the dashboard and files.

progress   how the search went: best so far, who worked when, what pruning saved
curves     how trials trained: learning curves, baseline against best, weight norms, generalisation gap
space      where the good values lie: slices, contours, parallel coordinates
front      what a good value costs: the Pareto front
effects    what mattered: importance, and the effects that an ablation measured
decision   how a model of two classes decides: its boundary, and its ROC curve with a threshold
networks   what networks are made of: weights, sparsity, layers, decision boundaries side by side
mistakes   what a model gets wrong: confusion matrices and the images
files      a figure as PNG or SVG
style      the colours and axes that all of them share
"""
