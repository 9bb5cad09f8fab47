"""The deployment test: see README.md. Called by `scripts/e2e`."""

import argparse
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import upgrade
from signpost.cloud import CONTEXT
from signpost.emulator import REGION, Emulator
from signpost.http import Http
from signpost.provider import CLIENT, Provider
from signpost.service import new_password
from signpost.terraform import Terraform

REPOSITORY = Path(__file__).resolve().parents[2]
NAME = "signpost"
# Short, so that an edit is seen while somebody looks; long enough that there is a cache.
CACHE_TTL_SECONDS = 3
OIDC_DOMAIN = "people-at-work.example"


class Times:
    """What took how long."""

    def __init__(self):
        self.rows = []

    @contextmanager
    def of(self, what):
        print(f"--> {what}", flush=True)
        begin = time.monotonic()
        try:
            yield
        finally:
            self.rows.append((what, time.monotonic() - begin))
            print(f"    {what}: {self.rows[-1][1]:.0f} s", flush=True)

    def print(self):
        print("\nseconds")
        for what, seconds in self.rows:
            print(f"{seconds:8.1f}  {what}")


class Deployment:
    """An emulator with the product on it."""

    def __init__(self, folder: Path, times: Times):
        self.folder, self.times = folder, times
        self.provider = Provider()
        self.emulator = None
        self.terraform = None
        self.resources = 0
        self.begin = None
        self.variables = {
            "local": True,
            "name": NAME,
            "region": REGION,
            "deletion_protection": False,
            "cache_ttl_seconds": CACHE_TTL_SECONDS,
            # All that comes from this machine is one address.
            "sign_in_per_minute": 6000,
            "oidc": {"issuer": self.provider.issuer, "client_id": CLIENT},
            "oidc_client_secret": self.provider.secret,
        }

    def start(self):
        self.begin = time.monotonic()
        with self.times.of("starting the emulator"):
            self.emulator = Emulator(self.folder)

    def package(self, repository: Path, folder: Path, **environment):
        """The zips of one checkout's functions."""
        command = [repository / "scripts/package", "--for-emulator", "--out", folder]
        with self.times.of(f"building the packages of {repository.name}"):
            subprocess.run(command, cwd=repository, check=True, env=os.environ | environment)

    def use(self, repository: Path, packages: Path):
        """Makes a checkout the one that is applied from now on."""
        folder = Path(tempfile.mkdtemp(dir=self.folder, prefix="terraform-"))
        state = self.folder / "state" / "terraform.tfstate"
        state.parent.mkdir(exist_ok=True)
        self.terraform = Terraform(repository, folder, state, self.emulator.endpoint)
        self.variables["packages"] = str(packages)
        with self.times.of("terraform init"):
            self.terraform.init()

    def apply(self, what, refresh=True, **variables):
        self.variables |= variables
        with self.times.of(f"terraform apply: {what}"):
            self.resources = self.terraform.apply(self.variables, refresh)

    def found(self):
        """The first owner: signing up is open for them, and for nobody else."""
        outputs = self.terraform.outputs()
        address = f"127.0.0.1:{self.emulator.port}"
        host = f"{outputs['api_id']}.execute-api.localhost:{self.emulator.port}"
        http = Http(address, host)
        owner = {"email": f"{secrets.token_hex(6)}@people.example", "password": new_password()}
        body = owner | {"name": "First Owner", "workspace": "First"}
        owner["user"] = http.ask("POST", "/api/v1/users", json_body=body).expect(201).json
        workspace = owner["user"]["workspaces"][0]["id"]
        self.variables["oidc"] |= {"members": f"{OIDC_DOMAIN}={workspace}:viewer"}
        return {
            "name": NAME,
            "region": REGION,
            "endpoint": self.emulator.endpoint,
            "address": address,
            "host": host,
            "url": http.ask("GET", "/.well-known/openid-configuration").expect(200)["issuer"],
            "functions": sorted(outputs["functions"]),
            "raw_bucket": outputs["raw_bucket"],
            "cache_ttl_seconds": CACHE_TTL_SECONDS,
            "oidc_domain": OIDC_DOMAIN,
            "oidc_workspace": workspace,
            "owner": owner,
        }

    def hand_over(self, context):
        file = self.folder / "context.json"
        file.write_text(json.dumps(context))
        os.environ[CONTEXT] = str(file)
        return file

    def destroy(self):
        with self.times.of("terraform destroy"):
            self.terraform.destroy(self.variables)

    def close(self):
        self.provider.close()
        if self.emulator is not None:
            self.emulator.stop()


def pytest(*arguments):
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *arguments]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=Path(__file__).parent, env=environment, check=False).returncode


def keep(deployment, context, file):
    print(f"""
It goes on until Ctrl-C. In another terminal:

    curl -i -H 'Host: {context['host']}' http://{context['address']}/api/v1/health
    export AWS_ENDPOINT_URL={context['endpoint']} AWS_REGION={REGION} AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
    aws --endpoint-url $AWS_ENDPOINT_URL sqs list-queues
    cd tests/e2e && {CONTEXT}={file} {sys.executable} -m pytest -k NAME

The first owner is {context['owner']['email']}, password: {context['owner']['password']}
Logs of the emulator and of Terraform: {deployment.folder}
""", flush=True)
    signal.pause()


def flows(deployment, arguments):
    packages = Path(arguments.packages) if arguments.packages else deployment.folder / "packages"
    if not arguments.packages:
        deployment.package(REPOSITORY, packages)
    deployment.start()
    deployment.use(REPOSITORY, packages)
    deployment.apply("everything, open for the first owner", signup="open")
    context = deployment.found()
    # What the operator does next, as docs/identity.md says.
    deployment.apply("closed again", refresh=False, signup="invite")
    file = deployment.hand_over(context)
    with deployment.times.of("flows and permissions"):
        status = pytest(*(["-k", arguments.k] if arguments.k else []))
    if arguments.keep:
        keep(deployment, context, file)
    deployment.destroy()
    return status


def main():
    parser = argparse.ArgumentParser(prog="e2e", description="Deploys Signpost to an emulator of AWS, and uses it.")
    parser.add_argument("--keep", action="store_true", help="leave it up until Ctrl-C, and say how to talk to it")
    parser.add_argument("-k", metavar="NAME", help="run only the tests of this name (pytest's -k)")
    parser.add_argument("--upgrade-from", metavar="REV", help="deploy REV, use it, and upgrade it to this checkout")
    parser.add_argument("--packages", metavar="DIR", help="zips that are there already; nothing is built")
    arguments = parser.parse_args()

    # So that whoever stops it leaves nothing behind either.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    times = Times()
    folder = Path(tempfile.mkdtemp(prefix="signpost-e2e-"))
    deployment = Deployment(folder, times)
    status = 1
    try:
        if arguments.upgrade_from:
            status = upgrade.run(deployment, REPOSITORY, arguments)
        else:
            status = flows(deployment, arguments)
    except KeyboardInterrupt:
        status = 130 if not arguments.keep else 0
    except (RuntimeError, AssertionError, subprocess.CalledProcessError) as error:
        print(f"e2e: {error}", file=sys.stderr)
    finally:
        deployment.close()
        times.print()
        if deployment.begin is not None:
            whole = time.monotonic() - deployment.begin
            print(f"{whole:8.1f}  in all after the build; {deployment.resources} resources")
        if status not in (0, 130) and deployment.emulator is not None:
            print("--- last lines of the emulator:")
            print("\n".join(deployment.emulator.log.read_text(errors="replace").splitlines()[-15:]))
        shutil.rmtree(folder, ignore_errors=True)
    print("e2e: passed" if status == 0 else "e2e: FAILED")
    return status


if __name__ == "__main__":
    sys.exit(main())
