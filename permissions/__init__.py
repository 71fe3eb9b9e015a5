"""Proves the functions' rights: what they call is allowed, what is allowed is called, and what is hostile is denied.

`python -m permissions FOLDER` judges the roles of template.yaml by the calls that test runs wrote into a folder
(POINTSMAN_JOURNAL=FOLDER); `make permissions` does both. The order of reading: template (the roles), calls (what AWS decides about
a call), decide (IAM's decision), judge (the questions), hostile (the list), outsiders (who else may use the topics
and the key).
"""
