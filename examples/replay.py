"""What would a plateau rule have done on a log one already has? Needs no framework."""

import random

import cadence as cd

noise = random.Random(0)
log = [0.2 + 0.8 * 0.96**epoch + noise.gauss(0, 0.04) for epoch in range(60)]

# With significance, a rule whose patience is over still waits while the trend since the best goes down.
for rule in (
    "plateau('val_loss', factor=0.5, patience=3)",
    "plateau('val_loss', factor=0.5, patience=3, significance=0.2)",
):
    seen = cd.replay(f"constant() * {rule}", log, base=0.1)
    print(rule)
    print(f"  {len(seen.cuts)} cuts, the last rate is {seen.values[-1]:.4g}")
    for cut in seen.cuts[:2]:
        print("  after", cut.t, "epochs:", cut.sentence)
