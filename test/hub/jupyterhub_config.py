"""The classroom of the tests: everyone who knows the password has an account, and each a lab of their own.

"jupyter" has JupyterHub's own server in place of ours, with our kernel; "teacher" may use everyone's server.
"""

import json
import os

c = get_config()  # noqa: F821
c.JupyterHub.bind_url = os.environ["HUB_URL"]
c.JupyterHub.hub_bind_url = os.environ["HUB_API_URL"]
c.ConfigurableHTTPProxy.api_url = os.environ["HUB_PROXY_URL"]
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = os.environ["HUB_PASSWORD"]
c.Authenticator.admin_users = {"teacher"}

c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = os.environ["HUB_HOMES"] + "/{username}"
c.Spawner.cmd = json.loads(os.environ["HUB_COMMAND"])
c.Spawner.environment = {
    "LORALAB_UI": os.environ["LORALAB_UI"],
    "LORALAB_MEMORY_LIMIT": "1G",
    "JUPYTERHUB_ACTIVITY_INTERVAL": "1",
    "JUPYTER_PATH": os.environ["HUB_KERNELS"],
}


def server_of(spawner):
    if spawner.user.name == "jupyter":
        spawner.cmd = ["jupyterhub-singleuser", "--allow-root"]


c.Spawner.pre_spawn_hook = server_of
