"""The deployment, by the same Terraform that operators use."""

import json
import os
import shutil
import subprocess
from pathlib import Path


class Terraform:
    """One checkout's configuration over a state that another one's may have made."""

    def __init__(self, repository: Path, folder: Path, state: Path, endpoint: str):
        self.state = state
        # A copy of what it reads, at the same places: nothing is written into the checkout, and who
        # edits there meanwhile does no harm.
        source = folder / "source"
        shutil.copytree(
            repository / "infra/terraform", source / "infra/terraform",
            ignore=shutil.ignore_patterns(".terraform", "*.tfstate*", "*.tfvars"),
        )
        for name in ("openapi.yaml", "workers.yaml"):
            shutil.copy(repository / name, source / name)
        for file in repository.glob("functions/*/function.yaml"):
            target = source / file.relative_to(repository)
            target.parent.mkdir(parents=True)
            shutil.copy(file, target)
        self.repository = repository
        self.module = source / "infra/terraform"
        self.log = folder / "terraform.log"
        empty = folder / "terraform.rc"
        empty.touch()
        self.environment = os.environ | {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "*",
            "no_proxy": "*",
            "TF_DATA_DIR": str(folder / "data"),
            "TF_CLI_CONFIG_FILE": str(empty),
            "TF_IN_AUTOMATION": "1",
            "TF_INPUT": "0",
            "CHECKPOINT_DISABLE": "1",
        }
        for name in [name for name in self.environment if name.startswith("TF_VAR_")]:
            del self.environment[name]

    def run(self, *arguments, capture=False):
        command = ["terraform", f"-chdir={self.module}", *arguments]
        return self._checked(command, capture)

    def _checked(self, command, capture=False):
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        with self.log.open("a") as log:
            log.write(f"\n$ {' '.join(map(str, command))}\n{'' if capture else done.stdout}{done.stderr}")
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(map(str, command))}\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}")
        return done.stdout

    def init(self):
        # Where the provider is on this machine, if not in the registry, is known to all scripts alike.
        script = '. "$1/scripts/lib/terraform.sh" && terraform_init "$2"'
        self._checked(["bash", "-ec", script, "init", str(self.repository), str(self.module)])

    def apply(self, variables, refresh=True):
        """Applies it; the number of resources that there are then."""
        self._with("apply", variables, "-auto-approve", "-parallelism=40", f"-refresh={str(refresh).lower()}")
        return len([line for line in self.run("state", "list", f"-state={self.state}", capture=True).splitlines()
                    if ".data." not in line and not line.startswith("data.")])

    def destroy(self, variables):
        self._with("destroy", variables, "-auto-approve", "-parallelism=40", "-refresh=false")

    def _with(self, command, variables, *arguments):
        # A file and not arguments: there are secrets among them.
        file = self.state.parent / "e2e.tfvars.json"
        file.write_text(json.dumps(variables))
        self.run(command, f"-var-file={file}", f"-state={self.state}", *arguments)

    def outputs(self):
        found = json.loads(self.run("output", "-json", f"-state={self.state}", capture=True))
        return {name: output["value"] for name, output in found.items()}
