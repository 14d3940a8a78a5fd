# app/services/generation_service.py
from app.services.event_service import EventService

class GenerationService:
    def __init__(self, event_service: EventService):
        self.event_service = event_service
    
    async def execute_generation(self, project_id: str, session_id: str):
        """Execute the full generation process with real-time updates."""
        try:
            # Emit generation started
            await self.event_service.emit_generation_started(session_id, {
                "project_id": project_id,
                "total_steps": 5,
                "estimated_time": 300,
                "timestamp": datetime.utcnow().isoformat()
            })
            
            # Execute steps with progress updates
            for i, step in enumerate(steps, 1):
                await self.event_service.emit_generation_step(session_id, {
                    "step_id": step.id,
                    "step_number": i,
                    "total_steps": len(steps),
                    "status": "in_progress",
                    "progress": (i / len(steps)) * 100,
                    "message": f"Executing {step.title}...",
                    "estimated_remaining": (len(steps) - i) * 60,
                    "timestamp": datetime.utcnow().isoformat()
                })
                
                # Execute step
                result = await self.execute_step(step)
                
                # Update preview if code generated
                if result.get("code"):
                    await self.event_service.emit_preview_updated(session_id, {
                        "step_id": step.id,
                        "preview_url": f"/preview/{session_id}",
                        "html_content": result["code"]["html"],
                        "css_content": result["code"]["css"],
                        "js_content": result["code"]["js"],
                        "metadata": {"step": step.id},
                        "timestamp": datetime.utcnow().isoformat()
                    })
                
                # Mark step as completed
                await self.event_service.emit_generation_step(session_id, {
                    "step_id": step.id,
                    "step_number": i,
                    "total_steps": len(steps),
                    "status": "completed",
                    "progress": (i / len(steps)) * 100,
                    "message": f"Completed {step.title}",
                    "estimated_remaining": (len(steps) - i) * 60,
                    "timestamp": datetime.utcnow().isoformat()
                })
            
            # Emit generation completed
            await self.event_service.emit_generation_completed(session_id, {
                "status": "completed",
                "total_time": 300,
                "files_generated": 15,
                "final_url": f"/preview/{session_id}",
                "timestamp": datetime.utcnow().isoformat()
            })
            
        except Exception as e:
            await self.event_service.emit_error(session_id, {
                "error_code": "GENERATION_FAILED",
                "error_message": str(e),
                "retry_available": True,
                "timestamp": datetime.utcnow().isoformat()
            })
