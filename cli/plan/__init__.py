"""`lipstream plan`: what so many sessions need, from what a frame was measured to cost."""
