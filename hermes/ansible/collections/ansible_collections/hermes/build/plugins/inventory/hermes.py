"""The inventory plugin ``hermes``: working containers as hosts."""

from __future__ import annotations

DOCUMENTATION = """
name: hermes
short_description: Working containers of Hermes as hosts
description:
  - Each container that C(hermes ctr ps) shows is a host with its name, in the group C(hermes).
  - The file of the inventory ends with C(hermes.yml) or C(hermes.yaml).
author: The authors of Hermes
extends_documentation_fragment:
  - constructed
options:
  plugin:
    description: The name of this plugin.
    required: true
    choices: ["hermes.build.hermes", "hermes"]
  home:
    description: The store that the containers are in, if not that of the user.
    type: path
    env:
      - name: HERMES_HOME
"""

EXAMPLES = """
# containers.hermes.yml
plugin: hermes.build.hermes
keyed_groups:
  - prefix: image
    key: hermes_image
"""

from pathlib import Path

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Constructable

from hermes.api.containers import Containers
from hermes.errors import HermesError


class InventoryModule(BaseInventoryPlugin, Constructable):
    """The containers of one store."""

    NAME = "hermes.build.hermes"

    def verify_file(self, path):
        return super().verify_file(path) and path.endswith(("hermes.yml", "hermes.yaml"))

    def parse(self, inventory, loader, path, cache=True):
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        home = self.get_option("home")
        try:
            found = Containers(home=Path(home).expanduser() if home else None).all()
        except HermesError as error:
            raise AnsibleParserError(error.message) from None
        inventory.add_group("hermes")
        for one in found:
            self._add(one, home)

    def _add(self, state, home):
        name = self.inventory.add_host(state.name, group="hermes")
        config = state.document.get("config") or {}
        variables = {
            "ansible_connection": "hermes.build.hermes",
            "hermes_id": state.id,
            "hermes_image": state.image,
            "hermes_labels": dict(config.get("Labels") or {}),
            "hermes_user": config.get("User") or "",
        }
        if home:
            variables["ansible_hermes_home"] = home
        for key, value in variables.items():
            self.inventory.set_variable(name, key, value)
        strict = self.get_option("strict")
        self._set_composite_vars(self.get_option("compose"), variables, name, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), variables, name, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, name, strict=strict)
