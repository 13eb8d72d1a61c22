"""Where a lead came from: touches, channels, click ids, models of credit."""
