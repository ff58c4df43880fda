"""What is wrong with an instance, measured by a vault; `compare` is its front. Shares no code with the tool."""
