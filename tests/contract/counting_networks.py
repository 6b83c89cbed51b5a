"""What a network of a test counts in a plain attribute, and whether it says so: put before its class."""

COUNTERS = """
class Counts:
    steps = 0

    def forward(self, x):
        self.steps = self.steps + 1 if self.training else self.steps
        return super().forward(x) / (1 + self.steps)


class Keeps(Counts):
    def get_extra_state(self):
        return self.steps

    def set_extra_state(self, steps):
        self.steps = steps
"""
