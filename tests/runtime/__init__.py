"""The runtime, told as stories: on stores in memory and on disk, on a virtual clock."""
