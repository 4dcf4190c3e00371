"""Ansible's side of working containers: one process for a play, which the connection plugin talks to.

``plays`` is that process, ``client`` what the plugin calls, ``address`` how they find each other. The plugins themselves are in
the collection ``hermes.build`` (in ``collections/``, which the wheel has as ``ansible_collections/``).
"""
