"""Runs the algorithm on a data set through an Ocean node, and fetches and verifies the results."""

from launch import launch

launch("run_job")
