"""How often the doctor is right: faults planted in small trainings, healthy ones beside them, and every verdict."""
