"""The commands of `lianfang`, one small module each. What a command needs is imported when it runs."""
