"""The pages of automations: rules, what they did, and webhooks. `urls` is their map."""
