"""Pictures: functions from numbers to plotly figures, the same for the report, the dashboard and files.

progress   how the search went: best so far over the trials
curves     how trials trained: learning curves, baseline against best
effects    what mattered: importance
style      the colours and axes that all of them share
"""
