"""What actions say: one class for each kind, with its parameters and with what it reads as fields.

Front ends make them, executors and others that need to know what an action does get them back. Their form as JSON,
of which keys are made, is in `hermes.actions.specs.spec`.
"""
