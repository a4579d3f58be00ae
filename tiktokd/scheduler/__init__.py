"""The queue and what decides over it: states, policy, store, dispatch, supervisor, loop."""
